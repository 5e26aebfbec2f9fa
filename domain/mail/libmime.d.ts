// libmime ships no types; only what the mail domain calls is described.
declare module 'libmime' {
  interface StructuredHeader {
    value: string;
    params: Record<string, string>;
  }
  export function decodeWords(text: string): string;
  export function parseHeaderValue(text: string): StructuredHeader;
  export function detectExtension(contentType: string): string;
  export function detectMimeType(extensionOrName: string): string;
  const libmime: {
    decodeWords: typeof decodeWords;
    parseHeaderValue: typeof parseHeaderValue;
    detectExtension: typeof detectExtension;
    detectMimeType: typeof detectMimeType;
  };
  export default libmime;
}
