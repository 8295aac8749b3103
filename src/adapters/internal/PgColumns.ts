/**
 * Rows as PostgreSQL's functions take them: an array for each column. Their values go over the wire in binary, which
 * costs PostgreSQL a fraction of parsing JSON.
 */
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"

const { OID } = PgTypes

/** The type of a column in SQL, and its object id. */
const types = {
  bigint: OID.int8,
  boolean: OID.bool,
  bytea: OID.bytea,
  integer: OID.int4,
  jsonb: OID.jsonb,
  text: OID.text,
  timestamptz: OID.timestamptz,
  uuid: OID.uuid
} as const

/** A column of a kind of rows; null and undefined are SQL's NULL, and times are in milliseconds of Unix time. */
export interface Column<Row> {
  readonly type: keyof typeof types
  readonly of: (row: Row) => unknown
}

/** Columns by their names, in order. */
export type Columns<Row> = Readonly<Record<string, Column<Row>>>

/** The values of rows, as parameters in the order of their columns. */
export const parametersOf = <Row>(columns: Columns<Row>, rows: ReadonlyArray<Row>): ReadonlyArray<PgTypes.Parameter> =>
  Object.values(columns).map(({ of, type }) =>
    Result.getOrThrow(PgTypes.array(rows.map((row) => of(row) ?? null), types[type]))
  )

/**
 * Runs a statement, and clears the values of its parameters afterwards. Effect remembers the parameters of each
 * statement in a weak map, and V8 keeps some of its entries alive until a full collection: 0.1 KB for each change.
 */
export const consuming = <A, E, R>(
  parameters: () => ReadonlyArray<PgTypes.Parameter>,
  run: (parameters: ReadonlyArray<PgTypes.Parameter>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const made = parameters()
    const clear = () => {
      for (const { value } of made) if (Array.isArray(value)) value.length = 0
    }
    return Effect.ensuring(run(made), Effect.sync(clear))
  })

/** The parameters of a function that takes these rows, each named after the kind of rows and its column. */
export const declared = (rows: string, columns: Columns<never>): string =>
  Object.entries(columns).map(([name, { type }]) => `p_${rows}_${name} ${type}[]`).join(", ")

/** The placeholders for the parameters in a statement that calls such a function. */
export const placeholders = (count: number): string =>
  Array.from({ length: count }, (_, index) => `$${index + 1}`).join(", ")

/** The rows as a table of this name inside such a function, with each row's number if a name for that is given. */
export const unnested = (rows: string, columns: Columns<never>, as: string, number?: string): string => {
  const names = Object.keys(columns)
  const table = `unnest(${names.map((name) => `p_${rows}_${name}`).join(", ")})`
  return number === undefined
    ? `${table} AS ${as} (${names.join(", ")})`
    : `${table} WITH ORDINALITY AS ${as} (${[...names, number].join(", ")})`
}
