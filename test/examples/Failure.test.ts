/** What a start says that fails for a reason that cannot be brought about with every user and on every machine. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Layer, Redacted } from "effect"
import { HttpServerError } from "effect/http"
import { SqlError } from "effect/sql"
import { explain } from "../../examples/server/Failure.ts"
import * as Postgres from "../../src/adapters/Postgres.ts"
import { DatabaseUrl, layerDatabase } from "../fixtures/Postgres.ts"

layer(layerDatabase, { excludeTestServices: true, timeout: "60 seconds" })("A start that fails", (it) => {
  const listening: ReadonlyArray<readonly [what: string, cause: object, explanation: string]> = [
    [
      "a port that is kept for root",
      { code: "EACCES", port: 443 },
      "port 443 may not be opened by this user: set PORT to one above 1023"
    ],
    [
      "an address that another machine has",
      { code: "EADDRNOTAVAIL", address: "192.0.2.1" },
      "this machine has no address 192.0.2.1: set HOST to one that it has"
    ],
    [
      "a name that nobody has",
      { code: "ENOTFOUND" },
      "this machine has no address of that name: set HOST to one that it has"
    ],
    ["too many open files", { code: "EMFILE" }, "the server cannot listen: EMFILE"]
  ]
  for (const [what, cause, explanation] of listening) {
    it.effect(`says what to do about ${what}`, () =>
      Effect.sync(() => {
        const error = new HttpServerError.ServeError({ cause: Object.assign(new Error("listen"), cause) })
        assert.strictEqual(explain(Cause.fail(error)), explanation)
      }))
  }

  it.effect("says what to do about a database's certificate that has expired", () =>
    Effect.sync(() => {
      const cause = Object.assign(new Error("certificate has expired"), { code: "CERT_HAS_EXPIRED" })
      const error = new SqlError.SqlError({ reason: new SqlError.ConnectionError({ cause }) })
      assert.strictEqual(
        explain(Cause.fail(error)),
        "the database's certificate is not valid at this time (CERT_HAS_EXPIRED): renew it, or set the clock right"
      )
    }))

  it.effect("says what to do about a database user that may not create a schema", () =>
    Effect.gen(function*() {
      const url = `${Redacted.value(yield* DatabaseUrl)}?options=-c%20role%3Dpg_monitor`
      const stores = Postgres.layerStores.pipe(
        Layer.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
      )
      const cause = yield* Effect.flip(Effect.sandbox(Layer.build(stores)))
      assert.strictEqual(
        explain(cause),
        "the database user of DATABASE_URL may not do what is needed: it has to create a schema, or have been given it"
      )
    }))
})
