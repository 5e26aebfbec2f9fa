import type { Simulator } from '../../../simulators/contract.ts';

export const violationsOf = ({ violations }: Simulator): string[] =>
  violations.map(({ method, path, reason }) => `${method} ${path}: ${reason}`);
