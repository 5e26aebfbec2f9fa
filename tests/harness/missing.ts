/** What the harness can't bring by itself on every machine. */
export type Prerequisite = 'dovecot' | 'time-skipping';

/** The variable in which `npm test -- --allow-missing` names what is not there. */
export const MISSING_VARIABLE = 'POSTROOM_TEST_MISSING';
