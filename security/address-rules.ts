import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Clouds' metadata services that sit in public address space; the others are link-local, private or reserved. */
const METADATA = new Map([['168.63.129.16', 'Azure’s metadata service']]);

const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

const WORDS: Readonly<Record<string, string>> = {
  loopback: 'this machine itself (loopback)',
  private: 'a private network',
  uniqueLocal: 'a private network',
  linkLocal: 'a link-local address, where clouds keep their metadata',
  carrierGradeNat: 'a carrier’s shared network',
  multicast: 'a multicast address',
  broadcast: 'a broadcast address',
  unspecified: 'no address at all (unspecified)',
  '6to4': 'a 6to4 tunnel',
  teredo: 'a Teredo tunnel',
};

/**
 * What an IP address is, where it is not an ordinary public one; null where it is.
 * By the IANA special-purpose registries (RFC 6890); addresses that carry an IPv4 one (RFC 4291 mapped,
 * RFC 6052 NAT64) are judged by that.
 */
export function specialPurpose(address: string): string | null {
  if (address.includes('%')) return 'an address with a zone, which only this machine knows';
  const carried = unwrap(ipaddr.parse(address));
  const metadata = METADATA.get(carried.toString());
  if (metadata !== undefined) return metadata;
  const range = carried.range();
  if (range !== 'unicast') return WORDS[range] ?? 'a reserved address';
  // IPv4-compatible ::a.b.c.d and all that IANA has not yet given out.
  if (carried.kind() === 'ipv6' && !carried.match(GLOBAL_UNICAST)) return 'a reserved address';
  return null;
}

function unwrap(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  if (address.match(NAT64)) return ipaddr.fromByteArray(address.toByteArray().slice(12));
  return address;
}

/** Hosts and networks that may be reached although special. */
export interface AllowList {
  readonly allowsHost: (host: string) => boolean;
  readonly allowsAddress: (address: string) => boolean;
}

/**
 * Reads `POSTROOM_ALLOW_PRIVATE_TARGETS`' items: a host name, `*.domain`, an address, or a CIDR.
 * @throws Error naming the item that is none of these.
 */
export function readAllowList(items: readonly string[]): AllowList {
  const hosts = new Set<string>();
  const domains: string[] = [];
  const networks: [Address, number][] = [];
  for (const item of items) {
    const name = normalizeHost(item);
    if (ipaddr.isValidCIDR(name)) networks.push(ipaddr.parseCIDR(name));
    else if (ipaddr.isValid(name)) networks.push(single(ipaddr.parse(name)));
    else if (/^\*\.[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name)) domains.push(name.slice(1));
    else if (/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(name)) hosts.add(name);
    else throw new Error(NOT_AN_ITEM(item));
  }
  return {
    allowsHost: (host) => hosts.has(host) || domains.some((domain) => host.endsWith(domain)),
    allowsAddress: (address) =>
      !address.includes('%') &&
      networks.some((network) => contains(network, ipaddr.parse(address))),
  };
}

const NOT_AN_ITEM = (item: string) =>
  `POSTROOM_ALLOW_PRIVATE_TARGETS: "${item}" is neither a host (hooks.internal), a domain (*.internal), ` +
  'an address (127.0.0.1) nor a network (10.0.0.0/8). Ports and URLs have no place there.';

/** Lower case, without the brackets of an IPv6 literal and the root's dot. */
export function normalizeHost(host: string): string {
  return host
    .trim()
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

function single(address: Address): [Address, number] {
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

function contains(network: [Address, number], address: Address): boolean {
  return [address, unwrap(address)].some(
    (form) => form.kind() === network[0].kind() && form.match(network),
  );
}
