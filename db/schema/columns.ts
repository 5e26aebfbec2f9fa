import type { ColumnType } from 'kysely';

// Times are Dates, bigints are numbers (see ../connection.ts), jsonb is parsed.
export type Time = ColumnType<Date, Date | string, Date | string>;
export type GeneratedTime = ColumnType<Date, Date | string | undefined, Date | string>;
export type MaybeTime = ColumnType<
  Date | null,
  Date | string | null | undefined,
  Date | string | null
>;
export type Json<T = unknown> = ColumnType<T, string, string>;
export type MaybeJson<T = unknown> = ColumnType<T | null, string | null | undefined, string | null>;
export type GeneratedJson<T = unknown> = ColumnType<T, string | undefined, string>;
export type JsonObject = Record<string, unknown>;
