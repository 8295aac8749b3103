/**
 * How a start that fails is told: one readable line, no stack, exit code 1.
 */
import { Cause, Console, Effect, Exit } from "effect"
import { CliError } from "effect/cli"
import { HttpServerError } from "effect/http"
import { Migrator, SqlError } from "effect/sql"

/** What went wrong and what to do, for a person. */
export const explain = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (error instanceof HttpServerError.ServeError) return explainServe(error.cause)
  if (error instanceof Migrator.MigrationError) return `the database cannot be migrated: ${error.message}`
  if (SqlError.isSqlError(error)) return explainSql(error)
  return error instanceof Error ? error.message : String(error)
}

const explainServe = (cause: unknown): string => {
  const { address, code, port } = cause as { readonly code?: string; readonly address?: string; readonly port?: number }
  switch (code) {
    case "EADDRINUSE":
      return `port ${port} on ${address} is in use: stop what runs there, or set PORT to another`
    case "EACCES":
      return `port ${port} may not be opened by this user: set PORT to one above 1023`
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `this machine has no address ${address ?? "of that name"}: set HOST to one that it has`
    default:
      return `the server cannot listen: ${code ?? String(cause)}`
  }
}

const explainSql = ({ reason }: SqlError.SqlError): string => {
  switch (reason._tag) {
    case "ConnectionError":
      return explainConnection(reason.cause)
    case "AuthenticationError":
      return "the database refuses this user or password: check DATABASE_URL"
    case "AuthorizationError":
      return "the database user of DATABASE_URL may not do what is needed: it has to create a schema, or have been given it"
    default: {
      const { code } = (reason.cause ?? {}) as { readonly code?: string }
      if (code === "3D000") return "there is no database of that name: check DATABASE_URL, or create it"
      return `the database failed: ${code === undefined ? reason._tag : `SQLSTATE ${code}`}`
    }
  }
}

const explainConnection = (cause: unknown): string => {
  const { code = "", message = "" } = (cause ?? {}) as { readonly code?: string; readonly message?: string }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return "the database's certificate is for another name: write the host in DATABASE_URL as the certificate has it"
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return `the database's certificate is not valid at this time (${code}): renew it, or set the clock right`
  }
  if (code.includes("CERT") || code.startsWith("UNABLE_TO_")) {
    return `the database's certificate is not trusted (${code}): name the file of its authority in NODE_EXTRA_CA_CERTS`
  }
  return message.includes("does not support TLS")
    ? "the database does not speak TLS, which sslmode in DATABASE_URL asks for"
    : "the database cannot be reached: check DATABASE_URL, and that PostgreSQL runs there"
}

/** Reports a failure of a whole program on one line. A wrong command line has been answered with its usage already. */
export const reported = <A, E, R>(program: Effect.Effect<A, E, R>) =>
  program.pipe(
    Effect.tapCause((cause) =>
      Cause.hasInterruptsOnly(cause) || CliError.isCliError(Cause.squash(cause))
        ? Effect.void
        : Console.error(`effect-user-phone: ${explain(cause)}`)
    )
  )

/** A program that was asked to stop, and did, has done well. */
export const exitCode = (exit: Exit.Exit<unknown, unknown>): number =>
  Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1
