import type { Response } from 'express';

export interface Page {
  readonly status: number;
  readonly title: string;
  /** Plain words, each a paragraph; escaped here. */
  readonly says: readonly string[];
  /** A button that posts the fields to the page's own address. */
  readonly form?: { readonly button: string; readonly fields: Readonly<Record<string, string>> };
}

/** A page without script, for a person who was sent here by a vendor's consent page or by a link of ours. */
export function sendPage(res: Response, { status, title, says, form }: Page): void {
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
${paragraphs}${form ? formOf(form) : ''}
</html>
`);
}

function formOf({ button, fields }: NonNullable<Page['form']>): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`,
  );
  return `\n<form method="post">${inputs.join('')}<button>${escaped(button)}</button></form>`;
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
