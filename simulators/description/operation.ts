import type { DescribedRequest } from '../server.ts';
import type { Check, Schemas } from './document.ts';
import { bodyOf, isJson, mediaType, queryOf } from './request.ts';
import { templateValues } from './template.ts';

/** What we read of an operation; all else of it is the vendor's. */
export interface OperationObject {
  readonly parameters?: readonly unknown[];
  readonly requestBody?: unknown;
}

interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header' | 'cookie' | 'body' | 'formData';
  readonly required: boolean;
  /** One value with commas stands for a list. */
  readonly commas: boolean;
  readonly check: Check;
}

interface Body {
  readonly required: boolean;
  /** By media type as described: `application/json`, `image/*`; null: the type isn't narrowed. */
  readonly content: ReadonlyMap<string, Check>;
}

export interface OperationPlace {
  readonly pointer: readonly string[];
  /** The path item, whose parameters all its operations have. */
  readonly sharedPointer: readonly string[];
  readonly pattern: RegExp;
  readonly prefix: string;
  readonly schemas: Schemas;
  readonly everywhere: RegExp | undefined;
}

/** By OpenAPI §4.8.12.1 these are said elsewhere in the description. */
const NOT_PARAMETERS = new Set(['accept', 'content-type', 'authorization']);

/** One operation of a description, compiled. */
export class Operation {
  readonly #place: OperationPlace;
  readonly #parameters: readonly Parameter[];
  readonly #body: Body | null;

  constructor(place: OperationPlace) {
    this.#place = place;
    this.#parameters = parameters(place);
    this.#body = body(place);
  }

  /** Why the request is not allowed; null where it is. */
  async problem(request: DescribedRequest): Promise<string | null> {
    return (
      this.#pathProblem(request) ??
      this.#queryProblem(request) ??
      this.#headerProblem(request) ??
      (await this.#bodyProblem(request))
    );
  }

  #of(where: Parameter['in']): Parameter[] {
    return this.#parameters.filter((parameter) => parameter.in === where);
  }

  #pathProblem({ path }: DescribedRequest): string | null {
    const match = this.#place.pattern.exec(path.slice(this.#place.prefix.length));
    if (!match) return null; // it was found by this very pattern
    const values = templateValues(match);
    return firstOf(this.#of('path'), (parameter) =>
      valueProblem(parameter, values[parameter.name]),
    );
  }

  #queryProblem(request: DescribedRequest): string | null {
    const described = this.#of('query');
    const asked = queryOf(request);
    const names = new Set(described.map(({ name }) => name));
    const unknown = Object.keys(asked).find(
      (name) => !names.has(name) && !names.has(`${name}[]`) && !this.#place.everywhere?.test(name),
    );
    if (unknown !== undefined) return `The query parameter ${unknown} is unknown.`;
    return firstOf(described, (parameter) => valueProblem(parameter, asked[parameter.name]));
  }

  #headerProblem({ headers }: DescribedRequest): string | null {
    return firstOf(this.#of('header'), (parameter) =>
      NOT_PARAMETERS.has(parameter.name.toLowerCase())
        ? null
        : valueProblem(parameter, headers[parameter.name.toLowerCase()]),
    );
  }

  async #bodyProblem(request: DescribedRequest): Promise<string | null> {
    if (!this.#body) return request.body.length > 0 ? 'This operation takes no body.' : null;
    if (request.body.length === 0) return this.#body.required ? 'The body is missing.' : null;
    const type = mediaType(request);
    const check = checkFor(type, this.#body.content);
    if (!check) {
      const wanted = [...this.#body.content.keys()].join(' or ');
      return `The body is ${type || 'of no type'}, where ${wanted} is wanted.`;
    }
    try {
      const [wrong] = check(await bodyOf(request));
      return wrong === undefined ? null : `The body is not as described: ${wrong}.`;
    } catch (error) {
      return `The body is not the ${type} it says: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
}

function checkFor(type: string, content: Body['content']): Check | undefined {
  const [family] = type.split('/');
  return content.get(type) ?? content.get(`${family}/*`) ?? content.get('*/*');
}

function firstOf<T>(all: readonly T[], problem: (one: T) => string | null): string | null {
  for (const one of all) {
    const found = problem(one);
    if (found !== null) return found;
  }
  return null;
}

function valueProblem(parameter: Parameter, asked: string | string[] | undefined): string | null {
  const { name, required, commas, check } = parameter;
  if (asked === undefined)
    return required ? `The ${parameter.in} parameter ${name} is missing.` : null;
  const value = commas && typeof asked === 'string' ? asked.split(',') : asked;
  // In an object of its own, since a value is coerced in its place.
  const [wrong] = check(value);
  return wrong === undefined ? null : `The ${parameter.in} parameter ${name} ${wrong}.`;
}

function parameters({ pointer, sharedPointer, schemas }: OperationPlace): Parameter[] {
  const listed = (at: readonly string[]) =>
    ((schemas.resolve(at).value.parameters ?? []) as unknown[]).map((_, index) =>
      schemas.resolve([...at, 'parameters', String(index)]),
    );
  return [...listed(pointer), ...listed(sharedPointer)].map(({ pointer: at, value }) => {
    const parameter = value as {
      name: string;
      in: Parameter['in'];
      required?: boolean;
      style?: string;
      explode?: boolean;
      collectionFormat?: string;
      schema?: { type?: unknown };
      type?: unknown;
    };
    const isList = (parameter.schema?.type ?? parameter.type) === 'array';
    return {
      name: parameter.name,
      in: parameter.in,
      required: parameter.required ?? parameter.in === 'path',
      commas: isList && (parameter.explode === false || parameter.collectionFormat === 'csv'),
      check: parameter.schema
        ? schemas.check([...at, 'schema'], parameter.in !== 'body')
        : 'type' in parameter
          ? swaggerCheck(value, schemas)
          : () => [],
    };
  });
}

/** Swagger 2 writes a parameter's schema into the parameter itself, beside things that mean something else there. */
function swaggerCheck(parameter: Record<string, unknown>, schemas: Schemas): Check {
  const { name: _name, in: _in, required: _required, ...schema } = parameter;
  return schemas.checkBy(schema, true);
}

function body({ pointer, schemas }: OperationPlace): Body | null {
  const operation = schemas.resolve(pointer).value as OperationObject;
  if (operation.requestBody !== undefined) return openApiBody(pointer, schemas);
  return swaggerBody(pointer, schemas);
}

function openApiBody(pointer: readonly string[], schemas: Schemas): Body {
  const { pointer: at, value } = schemas.resolve([...pointer, 'requestBody']);
  const { content = {}, required = false } = value as {
    content?: Record<string, { schema?: unknown }>;
    required?: boolean;
  };
  return {
    required,
    content: new Map(
      Object.entries(content).map(([type, { schema }]) => [
        type,
        schema !== undefined && isParsed(type)
          ? schemas.check([...at, 'content', type, 'schema'], !isJson(type))
          : () => [],
      ]),
    ),
  };
}

/** A body of another type is bytes, of which a schema says nothing. */
const isParsed = (type: string) =>
  isJson(type) || type === 'multipart/form-data' || type === 'application/x-www-form-urlencoded';

function swaggerBody(pointer: readonly string[], schemas: Schemas): Body | null {
  const listed = ((schemas.resolve(pointer).value.parameters ?? []) as unknown[]).map((_, index) =>
    schemas.resolve([...pointer, 'parameters', String(index)]),
  );
  const whole = listed.find(({ value }) => value.in === 'body');
  if (whole)
    return {
      required: whole.value.required === true,
      content: new Map([['application/json', schemas.check([...whole.pointer, 'schema'], false)]]),
    };
  const fields = listed.filter(({ value }) => value.in === 'formData');
  if (fields.length === 0) return null;
  const checks = fields.map(({ value }) => ({
    name: String(value.name),
    required: value.required === true,
    check: value.type === 'file' ? () => [] : swaggerCheck(value, schemas),
  }));
  const checkForm: Check = (form) => {
    const given = form as Record<string, string | string[] | undefined>;
    return checks.flatMap(({ name, required, check }) => {
      const value = given[name];
      if (value === undefined) return required ? [`the field ${name} is missing`] : [];
      return check(value).map((wrong) => `the field ${name} ${wrong}`);
    });
  };
  return {
    required: checks.some(({ required }) => required),
    content: new Map([
      ['application/x-www-form-urlencoded', checkForm],
      ['multipart/form-data', checkForm],
    ]),
  };
}
