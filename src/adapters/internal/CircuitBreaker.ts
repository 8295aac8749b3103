/**
 * A circuit breaker: whether a provider may be tried now, judging by earlier attempts.
 *
 * It opens after several failures in a row, or at once if the account is refused. When its pause is over, it lets one
 * attempt through as a probe: after that it closes, or opens for twice as long. A pause that the provider asked for is
 * kept separately, since that is no failure. Attempts that were under way when the breaker opened or closed neither
 * open nor close it: with many at once, each of them would make the pause longer, or end another attempt's probe. Its
 * state is known in this process only.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"

export interface CircuitBreakerOptions {
  /** How many failures in a row open it. */
  readonly failures: number
  /** How long it stays open at first, doubled with every probe that fails. */
  readonly pause: Duration.Duration
  readonly longestPause: Duration.Duration
}

/** An attempt that has begun: how often the breaker had opened and closed until then. */
export type Attempt = number

export class CircuitBreaker {
  private readonly options: CircuitBreakerOptions
  /** How often it has opened and closed. */
  private turns = 0
  private failures = 0
  private pauses = 0
  private openUntil: DateTime.Utc | undefined = undefined
  private isProbing = false
  private isRefused = false
  private waitUntil: DateTime.Utc | undefined = undefined

  constructor(options: CircuitBreakerOptions) {
    this.options = options
  }

  private get isOpen(): boolean {
    return this.openUntil !== undefined
  }

  /** When an attempt may be made, undefined for now. While a probe is under way, others wait for its outcome. */
  closedUntil(now: DateTime.Utc): DateTime.Utc | undefined {
    const times = [this.openUntil, this.waitUntil].filter((time) => time !== undefined)
    if (this.isProbing) times.push(DateTime.add(now, { seconds: 1 }))
    const [first, ...others] = times.filter((time) => DateTime.isGreaterThan(time, now))
    return first === undefined ? undefined : others.reduce(DateTime.max, first)
  }

  /**
   * Begins an attempt, which has to end with one of the methods below. Call it only while `closedUntil` is undefined.
   */
  begin(): Attempt {
    this.isProbing = this.isOpen
    return this.turns
  }

  /** The provider answered. Tells whether that closes the breaker. */
  succeed(attempt: Attempt): boolean {
    if (attempt !== this.turns) return false
    const closes = this.isOpen
    this.failures = 0
    if (closes) {
      this.turns++
      this.pauses = 0
      this.openUntil = undefined
      this.isProbing = false
      this.isRefused = false
    }
    return closes
  }

  /** The provider failed. Tells whether that opens a breaker that was closed. `chance` is from 0 up to 1. */
  fail(attempt: Attempt, now: DateTime.Utc, chance: number): boolean {
    if (attempt !== this.turns) return false
    const opens = !this.isOpen
    if (opens && ++this.failures < this.options.failures) return false
    this.open(now, chance)
    return opens
  }

  /** The provider refuses the account. Tells whether that is new since it last took messages. */
  refuse(attempt: Attempt, now: DateTime.Utc, chance: number): boolean {
    const isCurrent = attempt === this.turns
    if (!isCurrent && !this.isOpen) return false
    if (isCurrent) this.open(now, chance)
    const isNew = !this.isRefused
    this.isRefused = true
    return isNew
  }

  /** The provider asked for a pause, which is no failure by itself. */
  wait(attempt: Attempt, until: DateTime.Utc): void {
    this.abandon(attempt)
    this.waitUntil = this.waitUntil === undefined ? until : DateTime.max(this.waitUntil, until)
  }

  /** Nothing came of the attempt. */
  abandon(attempt: Attempt): void {
    if (attempt === this.turns) this.isProbing = false
  }

  private open(now: DateTime.Utc, chance: number): void {
    const { longestPause, pause } = this.options
    const planned = Duration.min(Duration.times(pause, 2 ** this.pauses), longestPause)
    this.openUntil = DateTime.addDuration(now, Duration.times(planned, 1 + 0.1 * chance))
    this.turns++
    this.pauses = Math.min(this.pauses + 1, 16)
    this.isProbing = false
  }
}
