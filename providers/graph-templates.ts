import { z } from 'zod';
import { ProviderFailure } from '../domain/failure.ts';
import type {
  MessageTemplate,
  TemplateParameter,
  TemplateStatus,
} from '../domain/message-template.ts';
import type { ProviderCall } from './contract.ts';
import type { VendorRequest } from './vendor-http.ts';

// Templates as a Graph API lists them: of a WhatsApp Business Account, or of a page.

const text = z.string().optional().catch(undefined);
const examples = z.array(z.string()).optional().catch(undefined);
const named = z
  .array(z.looseObject({ param_name: z.string(), example: text }))
  .optional()
  .catch(undefined);

const Component = z.looseObject({
  type: z.string().transform((type) => type.toUpperCase()),
  format: text,
  text,
  buttons: z
    .array(z.looseObject({ type: z.string(), text, url: text, example: examples }))
    .optional()
    .catch(undefined),
  example: z
    .looseObject({
      body_text: z.array(z.array(z.string())).optional().catch(undefined),
      header_text: examples,
      header_handle: examples,
      body_text_named_params: named,
      header_text_named_params: named,
    })
    .optional()
    .catch(undefined),
});
export type TemplateComponent = z.infer<typeof Component>;

const Template = z.looseObject({
  name: z.string(),
  language: z.string(),
  status: z.string().catch('UNKNOWN'),
  category: text,
  rejected_reason: text,
  components: z.array(Component).catch([]),
});
type Template = z.infer<typeof Template>;

const Page = z.looseObject({
  data: z.array(z.unknown()),
  paging: z
    .looseObject({ cursors: z.looseObject({ after: text }).optional(), next: text })
    .optional()
    .catch(undefined),
});

const FIELDS = 'name,language,status,category,components,rejected_reason,parameter_format';
const PAGE_SIZE = '100';
/** Far more than any account has, were they all but empty; a list that goes on beyond it leads in a circle. */
const MOST_PAGES = 1_000;

/** How one page of the list is asked for and read. */
export interface TemplateList {
  readonly request: (query: Readonly<Record<string, string>>) => Promise<VendorRequest>;
  readonly asked: <T>(request: VendorRequest, schema: z.ZodType<T>) => Promise<T>;
  /** What of a part can’t be filled in on this channel, beside what can’t be on any; null where all can. */
  readonly beyondUs?: (component: TemplateComponent) => string | null;
  readonly fields?: string;
}

/** All templates, page by page. @throws ProviderFailure */
export async function* listedTemplates(
  { heartbeat, log }: Pick<ProviderCall<unknown>, 'heartbeat' | 'log'>,
  { request, asked, beyondUs = () => null, fields = FIELDS }: TemplateList,
): AsyncGenerator<MessageTemplate> {
  let after: string | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query = { fields, limit: PAGE_SIZE, ...(after !== undefined && { after }) };
    const { data, paging } = await asked(await request(query), Page);
    heartbeat();
    for (const raw of data) {
      const template = Template.safeParse(raw);
      if (template.success) yield templateOf(template.data, beyondUs);
      else log.warn({ problem: template.error.message }, 'a template can’t be read');
    }
    const next = paging?.next === undefined ? undefined : paging.cursors?.after;
    if (next === undefined || next === after) return;
    after = next;
  }
  throw new ProviderFailure({
    code: 'templates.endless',
    class: 'give_up',
    message: `The account’s list of templates goes on for more than ${MOST_PAGES} pages.`,
  });
}

/** https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/overview */
const STATES: Readonly<Record<string, TemplateStatus>> = {
  APPROVED: 'approved',
  PENDING: 'pending',
  IN_APPEAL: 'pending',
  REJECTED: 'rejected',
  PAUSED: 'paused',
};

/** Parts that want more than text or a file, which an answer can't give. */
const BEYOND_US = new Set(['CAROUSEL', 'LIMITED_TIME_OFFER', 'CALL_PERMISSION_REQUEST']);
const BUTTONS_BEYOND_US = new Set(['CATALOG', 'MPM', 'SPM', 'FLOW', 'ORDER_DETAILS', 'VOICE_CALL']);

function templateOf(
  template: Template,
  beyondUs: (component: TemplateComponent) => string | null,
): MessageTemplate {
  const part = (type: string) => template.components.find((component) => component.type === type);
  const header = part('HEADER');
  const status = STATES[template.status] ?? 'disabled';
  const beyond = partBeyondUs(template.components, beyondUs);
  const said = template.rejected_reason;
  return {
    name: template.name,
    language: template.language,
    status: beyond === null ? status : 'disabled',
    category: template.category ?? null,
    body: part('BODY')?.text ?? '',
    header: header?.text ?? null,
    footer: part('FOOTER')?.text ?? null,
    ...(part('BUTTONS') && { hasButtons: true }),
    parameters: [
      ...headerParameters(header),
      ...textParameters('body', part('BODY')),
      ...buttonParameters(part('BUTTONS')),
    ],
    reason:
      beyond ??
      (said !== undefined && said !== 'NONE'
        ? said
        : status === 'approved' || status === 'pending'
          ? null
          : template.status),
  };
}

function partBeyondUs(
  components: readonly TemplateComponent[],
  beyondUs: (component: TemplateComponent) => string | null,
): string | null {
  const part =
    components.find(({ type }) => BEYOND_US.has(type))?.type ??
    components.find(({ format }) => format === 'LOCATION')?.format ??
    components
      .flatMap(({ buttons = [] }) => buttons)
      .find(({ type }) => BUTTONS_BEYOND_US.has(type))?.type ??
    components.map(beyondUs).find((part) => part !== null);
  return part === undefined ? null : `It has a part that can’t be filled in here: ${part}.`;
}

const FILES: Readonly<Record<string, 'image' | 'video' | 'document'>> = {
  IMAGE: 'image',
  VIDEO: 'video',
  GIF: 'video',
  DOCUMENT: 'document',
};

function headerParameters(header: TemplateComponent | undefined): TemplateParameter[] {
  const kind = FILES[header?.format ?? ''];
  if (kind === undefined) return textParameters('header', header);
  return [{ in: 'header', key: '1', kind, example: header?.example?.header_handle?.[0] ?? null }];
}

function textParameters(
  part: 'header' | 'body',
  component: TemplateComponent | undefined,
): TemplateParameter[] {
  const { example } = component ?? {};
  const [inOrder, byName] =
    part === 'body'
      ? [example?.body_text?.[0], example?.body_text_named_params]
      : [example?.header_text, example?.header_text_named_params];
  return placesIn(component?.text).map((key, index) => ({
    in: part,
    key,
    kind: 'text',
    example:
      byName?.find(({ param_name: name }) => name === key)?.example ?? inOrder?.[index] ?? null,
  }));
}

/** A button that only comes back when it is pressed needs nothing. */
function buttonParameters(component: TemplateComponent | undefined): TemplateParameter[] {
  return (component?.buttons ?? []).flatMap(({ type, url, example }, button) => {
    const first = example?.[0] ?? null;
    if (type === 'COPY_CODE')
      return [
        { in: 'button' as const, key: 'code', kind: 'text' as const, button, example: first },
      ];
    if (type !== 'URL') return [];
    return placesIn(url).map((key) => ({
      in: 'button' as const,
      key,
      kind: 'text' as const,
      button,
      example: first,
    }));
  });
}

/** `{{1}}`, `{{name}}`: each once, in the order in which they stand; numbers by their value. */
function placesIn(written = ''): string[] {
  const keys = [...written.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map((match) => match[1]!);
  return [...new Set(keys)].sort((a, b) => Number(a) - Number(b) || 0);
}
