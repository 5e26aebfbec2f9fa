// Templates that a vendor has approved: the only thing that may be sent to a customer whose window has ended.

export type TemplateStatus = 'approved' | 'pending' | 'rejected' | 'paused' | 'disabled';

/** As it was read from the account. */
export interface MessageTemplate {
  readonly name: string;
  /** As the vendor writes it: `en_US`, `de`. */
  readonly language: string;
  readonly status: TemplateStatus;
  /** The vendor's word: `UTILITY`, `MARKETING`, `AUTHENTICATION`. */
  readonly category: string | null;
  /** The text with its places, `{{1}}` or `{{name}}`. */
  readonly body: string;
  readonly header: string | null;
  readonly footer: string | null;
  /** Also such as want nothing; left out where it has none. */
  readonly hasButtons?: boolean;
  /** What must be given, in the order in which it stands. */
  readonly parameters: readonly TemplateParameter[];
  /** Why it may not be sent, in the vendor's words. */
  readonly reason: string | null;
}

/** What a header may show in place of words. */
export type HeaderFile = 'image' | 'video' | 'document';

export interface TemplateParameter {
  readonly in: 'header' | 'body' | 'button';
  /** `1`, `2` or a name. */
  readonly key: string;
  readonly kind: 'text' | HeaderFile | 'payload';
  /** Of a button: its place, from 0. */
  readonly button?: number;
  readonly example: string | null;
}

/** A template with its values, as an answer names it. */
export interface ChosenTemplate {
  readonly name: string;
  readonly language: string;
  /** By place: `body.1`, `body.first_name`, `header.1`, `button.0.1`; a header's file is an attachment's id. */
  readonly values: Readonly<Record<string, string>>;
  /** As what its header's file is shown, where it has one. */
  readonly header?: HeaderFile;
}

/** What a vendor takes in a template's places; of what is left out nothing is known. Lengths in characters. */
export interface TemplateLimits {
  /** Of a value in the header's words. */
  readonly header?: number;
  /** Of the body with its values; `alone` where the template has nothing else. */
  readonly body?: { readonly most: number; readonly alone: number };
  /** Of a value in a button's link. */
  readonly link?: number;
  /** A value is one line without tabs, and has at most so many spaces in a row. */
  readonly spaces?: number;
  /** Of a header's file: content types, in small letters, and bytes. */
  readonly files?: Readonly<Record<HeaderFile, FileLimits>>;
}

export interface FileLimits {
  readonly types: readonly string[];
  readonly most: number;
}

/** The key of a parameter's value: `body.1`, `button.0.1`. */
export function placeOf({ in: part, key, button }: TemplateParameter): string {
  return part === 'button' ? `button.${button ?? 0}.${key}` : `${part}.${key}`;
}
