/**
 * Benchmarks that compare: both sides run in turn, several rounds in one process, and what is told is the ratio of their
 * medians.
 */
import { Console, Effect } from "effect"

/** One side: a name, and a measurement whose result is in milliseconds, or any unit where less is better. */
export interface Side<R> {
  readonly name: string
  readonly measure: Effect.Effect<number, never, R>
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Runs the sides in turn, the order swapped each round, prints medians and spread, and answers second : first. */
export const compare = Effect.fnUntraced(function*<R>(
  { first, rounds, second, unit }: {
    readonly first: Side<R>
    readonly second: Side<R>
    readonly rounds: number
    readonly unit: string
  }
) {
  const results = new Map<Side<R>, Array<number>>([[first, []], [second, []]])
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? [first, second] : [second, first]) {
      results.get(side)!.push(yield* side.measure)
    }
  }
  for (const [{ name }, values] of results) {
    const [least, most] = [Math.min(...values), Math.max(...values)]
    yield* Console.log(
      `${name.padEnd(40)} median ${median(values).toFixed(3)} ${unit}   (${least.toFixed(3)} to ${most.toFixed(3)})`
    )
  }
  const ratio = median(results.get(second)!) / median(results.get(first)!)
  yield* Console.log(`ratio ${ratio.toFixed(3)} over ${rounds} rounds`)
  return ratio
})
