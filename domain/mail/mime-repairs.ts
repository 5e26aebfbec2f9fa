// Repairs of what real senders get wrong in MIME, at the seams of mailsplit (kept by the exact
// pin): each concerns one part's header block or one boundary line, before they are understood.

interface SplitterNode {
  headers: unknown;
  contentType: string | false;
  parentNode: SplitterNode | false;
  _headersLines: Buffer[];
  _headerlen: number;
  _parentBoundary: Buffer | false;
  _parentBoundaryOwner: SplitterNode | false;
  parseHeaders(): void;
}

/** 1: next part, 2: end of this multipart, 3: next sibling, 4: end of the parent. */
type Boundary = 1 | 2 | 3 | 4 | false;

export interface Splitter {
  node: SplitterNode;
  nodeCounter: number;
  maxChildNodes: number;
  newNode(parent?: SplitterNode | false): void;
  checkBoundary(line: Buffer | false): Boundary;
  compareBoundary(line: Buffer, start: number, boundary: Buffer): 1 | 2 | false;
}

/** Ancestors whose boundary may end a part that its own multipart left open. */
const ancestorLimit = 20;

/** `onPartsCut` is called when the mail has more parts than are read. */
export function repairMime(splitter: Splitter, onPartsCut: () => void): void {
  allowPaddedBoundaries(splitter);
  endAtAncestorsBoundary(splitter);
  endAtPartLimit(splitter, onPartsCut);
  const newNode = splitter.newNode.bind(splitter);
  splitter.newNode = (parent) => {
    newNode(parent);
    repairHeaders(splitter.node);
  };
  repairHeaders(splitter.node);
}

// A boundary line may end in blanks (RFC 2046 §5.1.1), which mailsplit doesn't look past.
function allowPaddedBoundaries(splitter: Splitter): void {
  const compare = splitter.compareBoundary.bind(splitter);
  splitter.compareBoundary = (line, start, boundary) =>
    compare(withoutPadding(line), start, boundary);
}

function withoutPadding(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && (line[end - 1] === 0x0a || line[end - 1] === 0x0d)) end--;
  let text = end;
  while (text > 0 && (line[text - 1] === 0x20 || line[text - 1] === 0x09)) text--;
  return text === end ? line : Buffer.concat([line.subarray(0, text), line.subarray(end)]);
}

// An outer boundary ends every multipart inside that was never closed (RFC 2046 §5.1.2).
function endAtAncestorsBoundary(splitter: Splitter): void {
  const check = splitter.checkBoundary.bind(splitter);
  splitter.checkBoundary = (line) => {
    const found = check(line);
    if (found || !line || line[0] !== 0x2d || line[1] !== 0x2d) return found;
    let ancestor = splitter.node._parentBoundaryOwner;
    for (let level = 0; ancestor && level < ancestorLimit; level++) {
      const boundary = ancestor._parentBoundary;
      const matched = boundary && splitter.compareBoundary(line, 0, boundary);
      if (matched) {
        splitter.node._parentBoundary = boundary;
        splitter.node._parentBoundaryOwner = ancestor._parentBoundaryOwner;
        return matched === 1 ? 3 : 4;
      }
      ancestor = ancestor._parentBoundaryOwner;
    }
    return false;
  };
}

// Beyond its limit of parts mailsplit gives the whole mail up, its text too; here the last part takes the rest.
function endAtPartLimit(splitter: Splitter, onPartsCut: () => void): void {
  const check = splitter.checkBoundary.bind(splitter);
  let isCut = false;
  splitter.checkBoundary = (line) => {
    const found = check(line);
    const isNextPart = found === 1 || found === 3;
    if (!isNextPart || splitter.nodeCounter < splitter.maxChildNodes) return found;
    if (!isCut) onPartsCut();
    isCut = true;
    return false;
  };
}

function repairHeaders(node: SplitterNode): void {
  const parse = node.parseHeaders.bind(node);
  node.parseHeaders = () => {
    if (!node.headers) {
      node._headersLines = withoutEndlessFolds(node._headersLines);
      node._headerlen = node._headersLines.reduce((length, line) => length + line.length, 0);
      const block = Buffer.concat(node._headersLines, node._headerlen);
      const repaired = repairedBlock(node, block);
      if (repaired !== block) {
        node._headersLines = [repaired];
        node._headerlen = repaired.length;
      }
    }
    parse();
  };
}

/** Folded lines of a header that has not said its name by then are no header's. */
const namelessFoldLimit = 50;
const colon = 0x3a;

// mailsplit looks for the name anew with every line that is folded on to a header without one.
function withoutEndlessFolds(lines: readonly Buffer[]): Buffer[] {
  let isNamed = true;
  let folds = 0;
  return lines.filter((line) => {
    const isFolded = line[0] === 0x20 || line[0] === 0x09;
    folds = isFolded ? folds + 1 : 0;
    isNamed = (isFolded && isNamed) || line.includes(colon);
    return isNamed || folds <= namelessFoldLimit;
  });
}

const multipart = /^content-type[ \t]*:[ \t]*(?:\r?\n[ \t]+)?multipart\//im;
const typeHeader = /^content-type[ \t]*:/im;
const missingSemicolon =
  /^(content-type[ \t]*:[ \t]*multipart\/[a-z-]+)((?:\r?\n)?[ \t]+boundary=)/im;

function repairedBlock(node: SplitterNode, block: Buffer): Buffer {
  const text = block.toString('latin1', 0, 65_536);
  // Parts of a digest are mails where they say nothing else (RFC 2046 §5.1.5).
  if (node.parentNode && node.parentNode.contentType === 'multipart/digest') {
    if (!typeHeader.test(text))
      return Buffer.concat([Buffer.from('Content-Type: message/rfc822\r\n'), block]);
  }
  if (!multipart.test(text) || /;\s*boundary[*0-9]*\s*=/i.test(text)) return block;
  const semicolon = missingSemicolon.exec(text);
  // Without a boundary nothing can be told apart: what stands there is read as text rather than lost.
  if (!semicolon) return Buffer.concat([Buffer.from('Content-Type: text/plain\r\n'), block]);
  const at = semicolon.index + semicolon[1]!.length;
  return Buffer.concat([block.subarray(0, at), Buffer.from(';'), block.subarray(at)]);
}
