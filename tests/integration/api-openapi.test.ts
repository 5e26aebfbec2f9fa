import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { routes } from '../../api/routes/index.ts';
import { request, startTestApi, type TestApi } from './api-fixture.ts';

interface Operation {
  readonly operationId: string;
  readonly responses: Record<string, unknown>;
}
interface Description {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, object> };
}

let api: TestApi;
let description: Description;

beforeAll(async () => {
  api = await startTestApi();
  description = (await request(`${api.url}/openapi.json`, 'GET')).body as Description;
});
afterAll(() => api.close());

const operations = () =>
  Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test('it is OpenAPI 3.1 and describes every declared route under a name of its own', () => {
  expect(description.openapi).toMatch(/^3\.1\./);
  const described = operations().map(({ path, method }) => `${method} ${path}`);
  for (const { method, path } of routes) expect(described).toContain(`${method} ${path}`);
  const names = operations().map(({ operation }) => operation.operationId);
  expect(new Set(names).size).toBe(names.length);
});

test('every reference leads somewhere, and every schema is valid JSON Schema 2020-12', () => {
  const text = JSON.stringify(description);
  const references = [...text.matchAll(/"\$ref":"#([^"]+)"/g)].map(([, pointer]) => pointer!);
  expect(references.length).toBeGreaterThan(100);
  for (const pointer of new Set(references)) {
    const target = pointer
      .split('/')
      .slice(1)
      .reduce<unknown>(
        (at, step) => (at as Record<string, unknown> | undefined)?.[step],
        description,
      );
    expect([pointer, typeof target]).toEqual([pointer, 'object']);
  }
  const ajv = formats.default(new Ajv2020({ strict: false }));
  ajv.addSchema(description, 'openapi');
  for (const name of Object.keys(description.components.schemas))
    expect(() => ajv.getSchema(`openapi#/components/schemas/${name}`)).not.toThrow();
});

test('an answer of the API fits the description that others generate clients from', async () => {
  const ada = await api.client('ada');
  const { body } = await ada.call('POST', '/v1/channels', { provider: 'mime', name: 'x' });
  const ajv = formats.default(new Ajv2020({ strict: false }));
  ajv.addSchema(description, 'openapi');
  const fits = ajv.getSchema('openapi#/components/schemas/CreatedChannel')!;
  expect([fits(body), fits.errors]).toEqual([true, null]);
  expect(fits({ ...body, state: 'asleep' })).toBe(false);
});

test('settings are described per provider, as input', () => {
  const imap = description.components.schemas.ImapSettings as Record<string, object>;
  // A preset knows the host, and OAuth stands for a password.
  expect(imap.required).toEqual(['username']);
  expect(imap.properties).toMatchObject({ host: {}, password: {}, oauth: {}, preset: {} });
});

test('no key at all is 401 at every route but those that need none', async () => {
  for (const { method, path } of routes) {
    const { status } = await request(
      api.url + path.replaceAll(/\{\w+\}/g, 'x'),
      method.toUpperCase(),
    );
    expect([method, path, status]).toEqual([method, path, 401]);
  }
});

test('a key without scopes is 403 at every route', async () => {
  const powerless = await api.client('ada', ['none']);
  for (const { method, path } of routes) {
    const { status } = await powerless.call(method.toUpperCase(), path.replaceAll(/\{\w+\}/g, 'x'));
    expect([method, path, status]).toEqual([method, path, 403]);
  }
});
