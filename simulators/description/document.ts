import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { Operation, type OperationObject } from './operation.ts';
import { byConcreteness, templatePattern } from './template.ts';

type Json = Record<string, unknown>;

interface Document extends Json {
  readonly openapi?: string;
  readonly basePath?: string;
  readonly servers?: readonly { url: string }[];
  readonly paths: Record<
    string,
    Record<string, OperationObject | undefined> & { parameters?: unknown[] }
  >;
}

interface Route {
  readonly template: string;
  readonly pattern: RegExp;
}

/** One OpenAPI 3 or Swagger 2 document, read when it is first asked. */
export class OpenApiDocument {
  readonly #file: string;
  readonly #everywhere: RegExp | undefined;
  readonly #mend: ((document: unknown) => void) | undefined;
  readonly #operations = new Map<string, Operation>();
  #read: { document: Document; routes: Route[]; prefix: string; schemas: Schemas } | undefined;

  constructor(file: string, everywhere?: RegExp, mend?: (document: unknown) => void) {
    this.#file = file;
    this.#everywhere = everywhere;
    this.#mend = mend;
  }

  /** The operation that a request asks for; undefined where the document has none. */
  operation(method: string, path: string): Operation | undefined {
    const { document, routes, prefix, schemas } = (this.#read ??= this.#open());
    if (!path.startsWith(prefix)) return undefined;
    const asked = path.slice(prefix.length);
    const verb = method.toLowerCase();
    for (const { template, pattern } of routes) {
      const described = document.paths[template]?.[verb];
      if (!described || !pattern.test(asked)) continue;
      const key = `${verb} ${template}`;
      let operation = this.#operations.get(key);
      if (!operation) {
        operation = new Operation({
          pointer: ['paths', template, verb],
          sharedPointer: ['paths', template],
          pattern,
          prefix,
          schemas,
          everywhere: this.#everywhere,
        });
        this.#operations.set(key, operation);
      }
      return operation;
    }
    return undefined;
  }

  #open() {
    const document = JSON.parse(readFileSync(this.#file, 'utf8')) as Document; // the vendors' own, known documents
    this.#mend?.(document);
    const routes = Object.keys(document.paths)
      .sort(byConcreteness)
      .map((template) => ({ template, pattern: templatePattern(template) }));
    return {
      document,
      routes,
      prefix: pathPrefix(document),
      schemas: new Schemas(document, basename(this.#file)),
    };
  }
}

function pathPrefix({ servers, basePath }: Document): string {
  const url = servers?.[0]?.url;
  const path = url === undefined ? (basePath ?? '') : new URL(url, 'http://vendor').pathname;
  return path.replace(/\/$/, '');
}

export type Check = (value: unknown) => readonly string[];

/** The document's schemas, compiled where they lie, so that its `$ref`s mean what they mean. */
export class Schemas {
  readonly #document: Document;
  readonly #name: string;
  readonly #strict: Ajv;
  readonly #coercing: Ajv;

  constructor(document: Document, name: string) {
    this.#document = document;
    this.#name = `vendor:${name}`;
    // JSON is taken as it is; a form or a query has only strings, which are read as the schema says.
    this.#strict = this.#validator(false);
    this.#coercing = this.#validator('array');
  }

  #validator(coerceTypes: false | 'array'): Ajv {
    const options = {
      strict: false,
      logger: false,
      allErrors: false,
      validateSchema: false,
      coerceTypes,
    } as const;
    // From 3.1 on a schema is JSON Schema 2020-12; before, a dialect that draft 7 reads.
    const ajv = this.#document.openapi?.startsWith('3.1') ? new Ajv2020(options) : new Ajv(options);
    addFormats.default(ajv);
    return ajv.addSchema(this.#document, this.#name);
  }

  /** Where `$ref`s lead from there. @throws where the document lacks what it refers to */
  resolve(pointer: readonly string[]): { pointer: readonly string[]; value: Json } {
    let value: unknown = this.#document;
    for (const part of pointer) value = (value as Json | undefined)?.[part];
    if (typeof value !== 'object' || value === null)
      throw new Error(`${this.#name} has nothing at /${pointer.join('/')}.`);
    const { $ref } = value as { $ref?: unknown };
    if (typeof $ref === 'string') return this.resolve(pointerOf($ref));
    return { pointer, value: value as Json };
  }

  /** Says what is wrong with a value by the schema there; of strings (`text`), by what they read as. */
  check(pointer: readonly string[], text: boolean): Check {
    const fragment = pointer
      .map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')))
      .join('/');
    return this.checkBy({ $ref: `${this.#name}#/${fragment}` }, text);
  }

  /** As `check`, by a schema without references of its own. */
  checkBy(schema: Json, text: boolean): Check {
    const validate = (text ? this.#coercing : this.#strict).compile(schema);
    return (value) => {
      // Coercion writes into what holds the value.
      if (validate(text ? structuredClone(value) : value)) return [];
      return (validate.errors ?? []).map(({ instancePath, message, params }) => {
        const detail = (params.additionalProperty ?? params.allowedValues ?? '') as
          string | string[];
        return `${instancePath} ${message}${detail.length > 0 ? `: ${String(detail)}` : ''}`.trim();
      });
    };
  }
}

function pointerOf(reference: string): string[] {
  if (!reference.startsWith('#/')) throw new Error(`${reference} leads out of the document.`);
  return reference
    .slice(2)
    .split('/')
    .map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
}
