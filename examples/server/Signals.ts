/**
 * How long a server that was told to end may take, and what tells it.
 */

/** In milliseconds; more than what a shutdown waits for by itself, which is 20 seconds for calls, then 10 for messages. */
const patience = 35_000

/** A terminal sends one Ctrl-C twice, by way of npm. */
const samePress = 1000

/**
 * Ends the process when it has not ended by itself, as it may not while a database hangs, or at a second signal. A terminal that is
 * closed, and a reload, end it as SIGTERM does.
 */
export const watch = (): void => {
  let since: number | undefined
  const end = (why: string): void => {
    process.stderr.write(`effect-user-phone: ended ${why}; what was at work was cut off\n`)
    process.exit(1)
  }
  const onSignal = (): void => {
    if (since === undefined) {
      since = performance.now()
      setTimeout(end, patience, `after ${patience / 1000} seconds of waiting`).unref()
    } else if (performance.now() - since > samePress) end("at a second signal")
  }
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  process.on("SIGHUP", () => process.kill(process.pid, "SIGTERM"))
}
