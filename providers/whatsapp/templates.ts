import { z } from 'zod';
import { ProviderFailure } from '../../domain/failure.ts';
import type {
  MessageTemplate,
  TemplateParameter,
  TemplateStatus,
} from '../../domain/message-template.ts';
import { asked, graphRequest, type WhatsAppCall } from './client.ts';

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
type Component = z.infer<typeof Component>;

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

/**
 * All templates of the account
 * (https://developers.facebook.com/documentation/business-messaging/whatsapp/reference/whatsapp-business-account/template-api).
 * @throws ProviderFailure
 */
export async function* templates(call: WhatsAppCall): AsyncGenerator<MessageTemplate> {
  const { business_account_id: account } = call.settings;
  if (account === undefined)
    throw new ProviderFailure({
      code: 'whatsapp.no_account',
      class: 'give_up',
      message: 'Templates belong to the WhatsApp Business Account: set "business_account_id".',
    });
  for (let after: string | undefined; ;) {
    const query = { fields: FIELDS, limit: PAGE_SIZE, ...(after !== undefined && { after }) };
    const request = await graphRequest(call, 'GET', `/${account}/message_templates`, { query });
    const { data, paging } = await asked(call, request, Page);
    call.heartbeat();
    for (const raw of data) {
      const template = Template.safeParse(raw);
      if (template.success) yield templateOf(template.data);
      else call.log.warn({ problem: template.error.message }, 'a template can’t be read');
    }
    const next = paging?.next === undefined ? undefined : paging.cursors?.after;
    if (next === undefined || next === after) return;
    after = next;
  }
}

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

function templateOf(template: Template): MessageTemplate {
  const part = (type: string) => template.components.find((component) => component.type === type);
  const header = part('HEADER');
  const status = STATES[template.status] ?? 'disabled';
  const beyond = partBeyondUs(template.components);
  const said = template.rejected_reason;
  return {
    name: template.name,
    language: template.language,
    status: beyond === null ? status : 'disabled',
    category: template.category ?? null,
    body: part('BODY')?.text ?? '',
    header: header?.text ?? null,
    footer: part('FOOTER')?.text ?? null,
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

function partBeyondUs(components: readonly Component[]): string | null {
  const part =
    components.find(({ type }) => BEYOND_US.has(type))?.type ??
    components.find(({ format }) => format === 'LOCATION')?.format ??
    components
      .flatMap(({ buttons = [] }) => buttons)
      .find(({ type }) => BUTTONS_BEYOND_US.has(type))?.type;
  return part === undefined ? null : `It has a part that can’t be filled in here: ${part}.`;
}

const FILES: Readonly<Record<string, 'image' | 'video' | 'document'>> = {
  IMAGE: 'image',
  VIDEO: 'video',
  GIF: 'video',
  DOCUMENT: 'document',
};

function headerParameters(header: Component | undefined): TemplateParameter[] {
  const kind = FILES[header?.format ?? ''];
  if (kind === undefined) return textParameters('header', header);
  return [{ in: 'header', key: '1', kind, example: header?.example?.header_handle?.[0] ?? null }];
}

function textParameters(
  part: 'header' | 'body',
  component: Component | undefined,
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
function buttonParameters(component: Component | undefined): TemplateParameter[] {
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
