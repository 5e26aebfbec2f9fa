import { compile } from 'html-to-text';
import sanitizeHtml from 'sanitize-html';

// Properties that paint or space text inside its own box; nothing that positions, floats or loads.
const safeProperty =
  /^(color|background-color|font|font-(family|size|style|weight|variant)|text-(align|decoration|indent|transform)|line-height|letter-spacing|white-space|word-break|overflow-wrap|vertical-align|direction|(max-)?width|(max-)?height|padding(-(top|right|bottom|left))?|margin(-(top|right|bottom|left))?|border(-(top|right|bottom|left|color|style|width|collapse|spacing|radius))?|list-style-type)$/;
const unsafeValue = /url|expression|import|javascript|[\\<>@{}]|\/\*|(^|[\s,(])-\d|-\s*calc|var\(/i;

function safeStyle(style: string): string {
  return style
    .slice(0, 4000)
    .split(';')
    .map((declaration) => declaration.split(':', 2).map((half) => half.trim()))
    .filter(([property = '', value = '']) => {
      return value !== '' && safeProperty.test(property.toLowerCase()) && !unsafeValue.test(value);
    })
    .map(([property, value]) => `${property!.toLowerCase()}:${value}`)
    .join(';');
}

function withSafeStyle(attribs: sanitizeHtml.Attributes): sanitizeHtml.Attributes {
  if (attribs['style'] === undefined) return attribs;
  const { style, ...others } = attribs;
  const kept = safeStyle(style);
  return kept === '' ? others : { ...others, style: kept };
}

// A remote picture tells its sender that the mail was read: its address waits until asked for.
function withoutRemoteSource(attribs: sanitizeHtml.Attributes): sanitizeHtml.Attributes {
  const { src = '', 'data-remote-src': held = '', ...others } = withSafeStyle(attribs);
  const remote = [src, held].map((address) => address.trim()).find((address) => isRemote(address));
  if (remote) return { ...others, 'data-remote-src': remote };
  return { ...others, src: src.trim() };
}

function isRemote(address: string): boolean {
  return /^(https?:)?\/\//i.test(address);
}

// A link in a mail leads somewhere by itself or nowhere: without a scheme it would lead into our own pages.
function withSafeLink(attribs: sanitizeHtml.Attributes): sanitizeHtml.Attributes {
  const { href = '', ...others } = withSafeStyle(attribs);
  // eslint-disable-next-line no-control-regex -- browsers pass over these in addresses
  const address = href.replace(/[\u0000-\u0020\u007f-\u00a0\u200b-\u200f\u2028\u2029\ufeff]+/g, '');
  const leads = /^(https?:\/\/|mailto:|tel:)./i.test(address);
  return {
    ...(leads ? { href: href.trim() } : {}),
    ...others,
    rel: 'noopener noreferrer nofollow',
    target: '_blank',
  };
}

const options: sanitizeHtml.IOptions = {
  allowedTags: (
    'a abbr address b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn ' +
    'div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp ' +
    'small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var wbr'
  ).split(' '),
  allowedAttributes: {
    '*': ['style', 'dir', 'lang', 'title', 'align', 'valign', 'width', 'height', 'bgcolor'],
    a: ['href', 'rel', 'target'],
    img: ['src', 'alt', 'data-remote-src'],
    font: ['color', 'face', 'size'],
    table: ['border', 'cellpadding', 'cellspacing'],
    td: ['colspan', 'rowspan', 'nowrap'],
    th: ['colspan', 'rowspan', 'nowrap'],
    ol: ['start', 'type'],
    blockquote: ['type'],
  },
  allowedSchemes: ['http', 'https', 'mailto', 'tel'],
  allowedSchemesByTag: { img: ['cid', 'data'] },
  allowedSchemesAppliedToAttributes: ['href', 'src', 'data-remote-src'],
  allowProtocolRelative: false,
  nonTextTags: ['script', 'style', 'textarea', 'option', 'noscript', 'title', 'template', 'svg'],
  nestingLimit: 100,
  parseStyleAttributes: false,
  transformTags: {
    '*': (tagName, attribs) => ({ tagName, attribs: withSafeStyle(attribs) }),
    a: (tagName, attribs) => ({
      tagName,
      attribs: withSafeLink(attribs),
    }),
    img: (tagName, attribs) => ({ tagName, attribs: withoutRemoteSource(attribs) }),
  },
  exclusiveFilter: (frame) => frame.tag === 'img' && !isShowable(frame.attribs),
};

function isShowable(attribs: sanitizeHtml.Attributes): boolean {
  const source = attribs['src'];
  if (attribs['data-remote-src']) return true;
  return source !== undefined && /^(cid:|data:image\/(png|jpe?g|gif|webp|bmp)[;,])/i.test(source);
}

/**
 * HTML of a mail made safe to show: no script, handler, form, style sheet or remote picture
 * (their address is kept in `data-remote-src`), and no style that reaches outside its box.
 */
export function sanitizeMailHtml(html: string): string {
  // sanitize-html drops data-remote-src when its scheme isn't one of img's; it is checked here.
  return sanitizeHtml(html, {
    ...options,
    allowedSchemesAppliedToAttributes: ['href', 'src'],
  }).trim();
}

/** Made once: compiling its rules takes longer than most mails' text. */
const toPlainText = compile({
  wordwrap: false,
  selectors: [
    { selector: 'img', format: 'skip' },
    { selector: 'a', options: { ignoreHref: true } },
    { selector: 'h1', options: { uppercase: false } },
    { selector: 'h2', options: { uppercase: false } },
    { selector: 'h3', options: { uppercase: false } },
    { selector: 'h4', options: { uppercase: false } },
    { selector: 'h5', options: { uppercase: false } },
    { selector: 'h6', options: { uppercase: false } },
    { selector: 'table', format: 'block' },
    { selector: 'tr', format: 'block' },
    { selector: 'td', format: 'inline' },
    { selector: 'th', format: 'inline' },
    { selector: 'ul', options: { itemPrefix: '- ' } },
    { selector: 'head', format: 'skip' },
    { selector: 'style', format: 'skip' },
    { selector: 'script', format: 'skip' },
    { selector: 'hr', format: 'skip' },
  ],
  limits: { maxInputLength: 1_048_576, maxDepth: 100, maxChildNodes: 5_000, ellipsis: '…' },
});

/** Plain text of HTML: block quotes marked with ">", links by their text, pictures left out. */
export function htmlToPlainText(html: string): string {
  return toPlainText(html).trim();
}

/** Content ids that the HTML shows in place. */
export function referencedContentIds(html: string): Set<string> {
  const ids = [...html.matchAll(/\bcid:([^"'\s<>)]{1,256})/gi)].map((match) => match[1]!);
  return new Set(ids.flatMap((id) => [id, decodePercent(id)]));
}

function decodePercent(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

// Elements that need no closing tag: they don't add to the depth.
const unnested =
  /^(area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr|p|li|td|th|tr|dd|dt|option)$/i;
const deepest = 500;

/**
 * HTML cut where its elements nest deeper than 500, since every reader of HTML takes time in the
 * square of the depth. Returned whole where they don't.
 */
export function boundNesting(html: string): string {
  let depth = 0;
  for (const tag of html.matchAll(/<(\/?)([a-z][a-z0-9]*)/gi)) {
    if (unnested.test(tag[2]!)) continue;
    depth = tag[1] === '/' ? Math.max(0, depth - 1) : depth + 1;
    if (depth > deepest) return html.slice(0, tag.index);
  }
  return html;
}
