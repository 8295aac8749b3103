/**
 * Choices that are the same for the same seed.
 */

/** Numbers from 0 up to 1 (mulberry32). */
const randomFrom = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6D2B79F5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export class Dice {
  private readonly next: () => number

  constructor(seed: number) {
    this.next = randomFrom(seed)
  }

  /** Whether something happens that does so often. */
  happens(chance: number): boolean {
    return this.next() < chance
  }

  oneOf<const A>(...values: readonly [A, ...Array<A>]): A {
    return values[Math.floor(this.next() * values.length)]!
  }

  /** One of several, each as likely as its weight says. */
  weighted<const A>(...values: readonly [readonly [number, A], ...Array<readonly [number, A]>]): A {
    let left = this.next() * values.reduce((sum, [weight]) => sum + weight, 0)
    return (values.find(([weight]) => (left -= weight) < 0) ?? values[0])[1]
  }
}
