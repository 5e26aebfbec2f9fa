import { describe, expect, it } from '@jest/globals';
import { readAllowList, specialPurpose } from './address-rules.ts';

describe('specialPurpose', () => {
  it.each([
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '0.1.2.3',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '100.100.100.200',
    '192.0.0.192',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.7',
    '203.0.113.9',
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '168.63.129.16',
    '::',
    '::1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:a00:1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::8.8.8.8',
    '2002:7f00:1::',
    '2001::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    '2606:4700::1%eth0',
    'fec0::1',
    'ff02::1',
    '100::1',
    '2001:db8::1',
    '3fff::1',
    '5f00::1',
    '4000::1',
  ])('holds %s for special', (address) => {
    expect(specialPurpose(address)).toEqual(expect.any(String));
  });

  it.each([
    '8.8.8.8',
    '172.32.0.1',
    '100.128.0.1',
    '192.169.0.1',
    '2606:4700:4700::1111',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
  ])('holds %s for public', (address) => {
    expect(specialPurpose(address)).toBeNull();
  });
});

describe('readAllowList', () => {
  const list = readAllowList([
    'Hooks.Internal.',
    '*.svc.local',
    '127.0.0.0/8',
    '[::1]',
    '10.0.0.5',
    'fd00::/8',
  ]);

  it('knows hosts by their whole name and domains by their end', () => {
    expect(list.allowsHost('hooks.internal')).toBe(true);
    expect(list.allowsHost('evil-hooks.internal')).toBe(false);
    expect(list.allowsHost('a.svc.local')).toBe(true);
    expect(list.allowsHost('svc.local')).toBe(false);
    expect(list.allowsHost('asvc.local')).toBe(false);
  });

  it.each([
    ['127.0.0.1', true],
    ['::ffff:127.0.0.1', true],
    ['128.0.0.1', false],
    ['::1', true],
    ['::2', false],
    ['10.0.0.5', true],
    ['10.0.0.6', false],
    ['fd12::1', true],
    ['fd12::1%eth0', false],
  ])('%s: %s', (address, allowed) => {
    expect(list.allowsAddress(address)).toBe(allowed);
  });

  it.each(['http://internal', 'host:80', '10.0.0.0/33', '', '*'])(
    'names the item %p that it can’t read',
    (item) => {
      expect(() => readAllowList([item])).toThrow(`POSTROOM_ALLOW_PRIVATE_TARGETS: "${item}"`);
    },
  );
});
