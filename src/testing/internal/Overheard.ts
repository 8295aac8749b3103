/**
 * What an effect discloses besides its result: what it logs and traces, and all that can be got out of a value without
 * revealing what is redacted.
 */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"

/** The result of an effect, and what it logged and traced. */
export const overhear = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<{ readonly result: Exit.Exit<A, E>; readonly telemetry: ReadonlyArray<string> }, never, R> =>
  Effect.suspend(() => {
    const logged: Array<unknown> = []
    const spans: Array<Tracer.NativeSpan> = []
    const logger = Logger.make<unknown, void>(({ cause, message }) => void logged.push(message, Cause.pretty(cause)))
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return Effect.exit(effect).pipe(
      Effect.provide(Logger.layer([logger])),
      Effect.provideService(Tracer.Tracer, tracer),
      Effect.map((result) => ({
        result,
        telemetry: [
          ...logged.map((entry) => printed(entry)),
          ...spans.flatMap((
            { attributes, events, name, status }
          ) => [name, printed([...attributes]), printed(events), printed(status)])
        ]
      }))
    )
  })

/** Everything that can be got out of a value without revealing what is redacted. */
export const printed = (value: unknown, seen: ReadonlySet<unknown> = new Set()): string => {
  if (typeof value !== "object" || value === null) return String(value)
  if (seen.has(value) || Redacted.isRedacted(value)) return ""
  const known = new Set(seen).add(value)
  const parts = [String(value), ...Cause.isCause(value) ? [Cause.pretty(value)] : []]
  for (const name of Object.getOwnPropertyNames(value)) {
    parts.push(name, printed((value as Readonly<Record<string, unknown>>)[name], known))
  }
  return parts.join("\n")
}

/** Fails if one of the secrets is disclosed. */
export const assertUntold = (secrets: ReadonlyArray<string>, outputs: ReadonlyArray<string | undefined>): void => {
  for (const output of outputs) {
    for (const secret of secrets) assert.isFalse(output?.includes(secret) ?? false, "what is secret is told")
  }
}
