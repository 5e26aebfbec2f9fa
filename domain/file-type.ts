/** What a file is, by its bytes rather than by its sender's word. */
export interface ToldType {
  readonly contentType: string;
  /** Where it is not what it claims to be, in plain words. */
  readonly note: string | null;
}

/** Formats that are of another one's making: the outer one is all that their first bytes say. */
const MADE_OF: Readonly<Record<string, RegExp>> = {
  'application/zip':
    /^application\/(vnd\.(openxmlformats|oasis|ms-|android|google-earth|apple)|epub|java-archive|x-zip)/,
  'application/x-cfb': /^application\/(msword|vnd\.(ms-|visio)|x-msi|x-ole)/,
  'application/xml': /\+xml$|\/(xml|svg|xhtml)/,
  'video/mp4': /^(audio|video)\/(mp4|x-m4|3gpp|quicktime)/,
  'audio/mpeg': /^audio\/(mp3|mpeg|mpg)/,
};
const TEXT =
  /^text\/|^application\/(json|xml|x-yaml|yaml|javascript|sql|rtf|x-ndjson)|\+(json|xml)$/;

/**
 * @param claimed by the vendor; null where it says nothing
 * @param detected by the bytes; null where they bear no sign of any known format
 */
export function toldType(claimed: string | null, detected: string | null, head: Buffer): ToldType {
  const said = baseOf(claimed);
  if (detected === null) {
    if (isText(head)) {
      const isSaid = said !== null && TEXT.test(said);
      return isSaid
        ? { contentType: said, note: null }
        : { contentType: 'text/plain', note: differs(said, 'text/plain') };
    }
    return { contentType: 'application/octet-stream', note: differs(said, null) };
  }
  const found = baseOf(detected)!;
  if (said === null || said === found) return { contentType: found, note: null };
  if (MADE_OF[found]?.test(said)) return { contentType: said, note: null };
  return { contentType: found, note: isAlike(said, found) ? null : differs(said, found) };
}

function baseOf(type: string | null): string | null {
  return type?.split(';', 1)[0]!.trim().toLowerCase() || null;
}

/** Pictures, sounds and films may bear another name of their own kind. */
function isAlike(one: string, other: string): boolean {
  const kind = (type: string) => /^(image|audio|video)\//.exec(type)?.[1];
  return kind(one) !== undefined && kind(one) === kind(other);
}

function differs(said: string | null, found: string | null): string | null {
  if (said === null || said === 'application/octet-stream') return null;
  return `It is called ${said}, but is ${found ?? 'of no known format'}.`;
}

function isText(head: Buffer): boolean {
  if (head.includes(0)) return false;
  // The head may end within a character.
  const text = new TextDecoder('utf-8').decode(head, { stream: true });
  return !text.includes('\uFFFD');
}
