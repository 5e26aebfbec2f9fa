import type { Outside } from './contract.ts';
import { submissionOutside } from './submission.ts';

export const outside: Outside = { sender: () => submissionOutside() };
