/**
 * Where the server's time goes while SetPhone is under load: by package, by file and by function, in microseconds a call.
 * `npm run profile`; `CONNECTIONS` (64) and `CALLS` (40,000) say how much, `SENT=1` has codes sent instead of returned, and
 * `OUT` names a file for the whole profile, which browsers' developer tools show.
 */
import { Console, Effect } from "effect"
import { writeFileSync } from "node:fs"
import { type AddressInfo, createServer } from "node:net"
import * as Database from "./Database.ts"
import { closedLoop, setPhone } from "./Load.ts"
import * as Product from "./Product.ts"
import * as StandIn from "./StandIn.ts"

const connections = Number(process.env["CONNECTIONS"] ?? 64)
const calls = Number(process.env["CALLS"] ?? 40_000)
const isSent = process.env["SENT"] !== undefined
const warmUp = isSent ? 10_000 : 30_000
/** A code that is sent after another one of the same user drops it, so each user is sent one. */
const users = isSent ? warmUp + calls : 10_000

/** As V8 writes it: a tree of functions, and in which of them it was found how long after the time before, in microseconds. */
interface Profile {
  readonly nodes: ReadonlyArray<{ readonly id: number; readonly callFrame: Frame }>
  readonly samples: ReadonlyArray<number>
  readonly timeDeltas: ReadonlyArray<number>
}

interface Frame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

const freePort = () =>
  new Promise<number>((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => done(port))
    })
  })

/** Calls methods of the inspector that a process was started with. */
const inspect = async (port: number) => {
  const [target] = await (await fetch(`http://127.0.0.1:${port}/json`)).json() as [{ webSocketDebuggerUrl: string }]
  const socket = new WebSocket(target.webSocketDebuggerUrl)
  await new Promise((opened) => socket.addEventListener("open", opened, { once: true }))
  let last = 0
  const call = (method: string, params: object = {}) =>
    new Promise<{ readonly profile: Profile }>((answered) => {
      const id = ++last
      const listen = ({ data }: MessageEvent) => {
        const message = JSON.parse(data)
        if (message.id !== id) return
        socket.removeEventListener("message", listen)
        answered(message.result)
      }
      socket.addEventListener("message", listen)
      socket.send(JSON.stringify({ id, method, params }))
    })
  return { call, close: () => socket.close() }
}

const packageOf = ({ functionName, url }: Frame): string => {
  if (url === "") return functionName.startsWith("(") ? functionName : "native"
  if (url.startsWith("node:")) return "node"
  return /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? "effect-user-phone"
}

/** The time spent in what has the same name, most first. */
const told = ({ nodes, samples, timeDeltas }: Profile): string => {
  const times = new Map<number, number>()
  samples.forEach((id, index) => times.set(id, (times.get(id) ?? 0) + timeDeltas[index]!))
  const sums = {
    packages: new Map<string, number>(),
    files: new Map<string, number>(),
    functions: new Map<string, number>()
  }
  let busy = 0
  for (const { callFrame, id } of nodes) {
    const [time, name] = [times.get(id) ?? 0, packageOf(callFrame)]
    if (name === "(idle)") continue
    busy += time
    const file = callFrame.url.replace(/^.*\/node_modules\//, "").replace(/^file:.*\/dist\//, "") || name
    const function_ = `${callFrame.functionName || "(anonymous)"} ${file}:${callFrame.lineNumber + 1}`
    for (const [sum, key] of [[sums.packages, name], [sums.files, file], [sums.functions, function_]] as const) {
      sum.set(key, (sum.get(key) ?? 0) + time)
    }
  }
  const lines = Object.entries(sums).flatMap(([title, sum]) => [
    `\n${title}`,
    ...Array.from(sum).toSorted(([, a], [, b]) => b - a).slice(0, 40).map(([name, time]) =>
      `  ${(100 * time / busy).toFixed(1).padStart(5)} %  ${(time / calls).toFixed(2).padStart(7)} µs  ${name}`
    )
  ])
  return `${(busy / calls).toFixed(1)} µs busy a call\n${lines.join("\n")}`
}

const program = Effect.gen(function*() {
  const server = yield* Database.start
  const provider = yield* StandIn.start
  const port = yield* Effect.promise(freePort)
  const { token, url } = yield* Product.start(server, {
    database: "product",
    users,
    environment: {
      NODE_OPTIONS: `--inspect=127.0.0.1:${port}`,
      ...(isSent && {
        SMS_PROVIDER: "webhook",
        SMS_WEBHOOK_URL: provider.url,
        SMS_WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 7).toString("base64")}`
      })
    }
  })
  const load = setPhone({ url, token }, { users, choice: isSent ? "sendCode" : "returnCode" })
  const run = async (calls: number) => {
    const received = isSent ? provider.expect(calls) : undefined
    const begin = performance.now()
    await closedLoop(load, { calls, connections })
    await received
    return calls * 1000 / (performance.now() - begin)
  }
  const { profile, rate } = yield* Effect.promise(async () => {
    await run(warmUp)
    const { call, close } = await inspect(port)
    await call("Profiler.enable")
    await call("Profiler.setSamplingInterval", { interval: 100 })
    await call("Profiler.start")
    const rate = await run(calls)
    const { profile } = await call("Profiler.stop")
    close()
    return { profile, rate }
  })
  if (process.env["OUT"] !== undefined) writeFileSync(process.env["OUT"], JSON.stringify(profile))
  yield* Console.log(`${rate.toFixed(0)}/s, ${told(profile)}`)
})

await Effect.runPromise(Effect.scoped(program))
