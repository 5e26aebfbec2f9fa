// A file of a message is named by the message and its place there: so a fresh link to it can be asked for.

/** @param place from 0 */
export function mediaId(mid: string, place: number): string {
  return `${mid}#${place}`;
}

export function placeOfMedia(id: string | null): { mid: string; place: number } | null {
  const parts = /^(.+)#(\d+)$/.exec(id ?? '');
  return parts ? { mid: parts[1]!, place: Number(parts[2]) } : null;
}

/** The last part of a link's path, where it looks like a file's name. */
export function filenameOf(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const last = new URL(url).pathname.split('/').at(-1) ?? '';
  try {
    const name = decodeURIComponent(last);
    return /^[^/\\\0]+\.[A-Za-z0-9]{1,10}$/.test(name) ? name : null;
  } catch {
    return null; // no text in it
  }
}
