import {
  defaultTreeAdapter as tree,
  html as standard,
  parse,
  parseFragment,
  serialize,
  type DefaultTreeAdapterTypes,
} from 'parse5';

// What is dangerous in HTML that was made safe, told by the parser of the HTML standard, apart from
// the one that the sanitiser uses: how a browser would read it decides.

type Node = DefaultTreeAdapterTypes.Node;
type Element = DefaultTreeAdapterTypes.Element;

const harmless = new Set(
  (
    'a abbr address b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em font ' +
    'h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp small span strike strong sub sup ' +
    'table tbody td tfoot th thead tr tt u ul var wbr html head body'
  ).split(' '),
);
const harmlessAttributes = new Set(
  (
    'style dir lang title align valign width height bgcolor href rel target src alt data-remote-src color face size ' +
    'border cellpadding cellspacing colspan rowspan nowrap start type'
  ).split(' '),
);

/** Dangers in safe HTML, each once: read as a fragment, as a document, and once more after a browser has written it again. */
export function dangersIn(html: string): string[] {
  const fragment = parseFragment(html);
  const rewritten = parseFragment(serialize(fragment));
  return [...new Set([fragment, rewritten, parse(html)].flatMap((root) => [...dangersOf(root)]))];
}

function* dangersOf(root: Node): Generator<string> {
  const open: Node[] = [root];
  for (let node = open.pop(); node; node = open.pop()) {
    if (tree.isElementNode(node)) yield* elementDangers(node);
    if (tree.isCommentNode(node)) yield `a comment <!--${node.data.slice(0, 40)}-->`;
    if ('childNodes' in node) for (const child of node.childNodes) open.push(child);
  }
}

function* elementDangers(element: Element): Generator<string> {
  if (element.namespaceURI !== standard.NS.HTML) yield `<${element.tagName}> of another namespace`;
  if (!harmless.has(element.tagName)) yield `<${element.tagName}>`;
  for (const { name, value } of element.attrs) {
    const shown = `${name}="${value.slice(0, 80)}" on <${element.tagName}>`;
    if (!harmlessAttributes.has(name)) yield shown;
    else if (name === 'href' && !/^(https?:\/\/|mailto:|tel:)/i.test(asBrowser(value))) yield shown;
    else if (name === 'src' && !isHarmlessSource(asBrowser(value))) yield shown;
    else if (name === 'data-remote-src' && !/^(https?:)?\/\//i.test(value)) yield shown;
    else if (name === 'target' && value !== '_blank') yield shown;
    else if (name === 'style' && !isHarmlessStyle(value)) yield shown;
  }
}

/** An address as browsers read it: without tabs and line ends, nor control characters before it (WHATWG URL). */
function asBrowser(address: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is removed
  return address.replace(/[\t\r\n]/g, '').replace(/^[\u0000-\u0020]+/, '');
}

function isHarmlessSource(address: string): boolean {
  return /^(cid:|data:image\/(png|jpe?g|gif|webp|bmp)[;,])/i.test(address);
}

function isHarmlessStyle(style: string): boolean {
  return !/url|image|expression|import|binding|behavio|position|float|z-index|transform|filter|animation|content|script|var\(|[\\<>@{}]|\/\*|:\s*-|\s-\d/i.test(
    style,
  );
}
