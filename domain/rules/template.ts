/** What an autoresponder's texts may name. */
export interface TemplateValues {
  readonly 'ticket.number': string;
  readonly 'ticket.subject': string;
  readonly 'sender.name': string;
  readonly 'sender.address': string;
  readonly 'channel.name': string;
}

const NAMES: readonly string[] = [
  'ticket.number',
  'ticket.subject',
  'sender.name',
  'sender.address',
  'channel.name',
] satisfies (keyof TemplateValues)[];

const PLACEHOLDER = /\{\{ *([^{}]{0,100}?) *\}\}/g;

/** Placeholders of a template that stand for nothing. */
export function unknownPlaceholders(template: string): string[] {
  const named = [...template.matchAll(PLACEHOLDER)].map((found) => found[1]!);
  return [...new Set(named)].filter((name) => !NAMES.includes(name));
}

/** A template with its placeholders filled in; for HTML what is filled in is escaped. */
export function fillTemplate(
  template: string,
  values: TemplateValues,
  as: 'text' | 'html',
): string {
  return template.replaceAll(PLACEHOLDER, (whole, name: string) => {
    if (!NAMES.includes(name)) return whole;
    const value = values[name as keyof TemplateValues]; // one of NAMES
    return as === 'html' ? escapeHtml(value) : value;
  });
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character]!);
}
