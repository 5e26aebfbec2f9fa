import type { Response } from 'express';

export interface Page {
  readonly status: number;
  readonly title: string;
  /** Plain words, each a paragraph; escaped here. */
  readonly says: readonly string[];
}

/** A page without script for a person who came from a vendor's consent page. */
export function sendPage(res: Response, { status, title, says }: Page): void {
  const paragraphs = says.map((line) => `<p>${escaped(line)}</p>`).join('\n');
  res
    .status(status)
    .set({ 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' })
    .send(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; margin: 15vh auto; max-width: 34rem; padding: 0 1rem }</style>
<h1>${escaped(title)}</h1>
${paragraphs}
</html>
`);
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
