/** Marks a switch as exhaustive: a new member of the union fails to compile here. */
export function assertNever(value: never, what = 'value'): never {
  throw new Error(`Unexpected ${what}: ${JSON.stringify(value)}`);
}
