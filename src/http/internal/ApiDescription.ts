/**
 * Adds to the generated OpenAPI description what it leaves out of this module's operations: which members exclude each
 * other, which bodies may be missing, headers that come with a status, and that members may come that are not described,
 * from either side. What else a host describes beside them stays as it is.
 */
type Json = Record<string, any>

const ours = {
  path: /\/v2(beta)?\/users\/\{userId\}\/phone(\/|$)/,
  schemas: [
    "SetPhoneRequest",
    "VerifyPhoneRequest",
    "ResendPhoneCodeRequest",
    "Details",
    "DetailsResponse",
    "CodeResponse",
    "GetPhoneResponse",
    "Error"
  ]
}

/** `spec` is a whole description, or a part of a host's API in which this one is nested, to which nothing is added. */
export const complete = (spec: Json): Json => {
  const { components, paths } = spec
  if (components?.schemas === undefined || paths === undefined) return spec
  const schemas: Json = { ...components.schemas }
  for (const name of ours.schemas.filter((name) => name in schemas)) schemas[name] = open(schemas[name])
  for (const name of ["SetPhoneRequest", "ResendPhoneCodeRequest"]) {
    const members = ["sendCode", "returnCode", "isVerified"].filter((member) => member in schemas[name].properties)
    const pairs = members.flatMap((one, index) => members.slice(index + 1).map((other) => ({ required: [one, other] })))
    schemas[name] = { ...schemas[name], not: { anyOf: pairs } }
  }
  return {
    ...spec,
    components: { ...components, schemas },
    paths: Object.fromEntries(
      Object.entries<Json>(paths).map(([path, methods]) => [
        path,
        ours.path.test(path)
          ? Object.fromEntries(Object.entries<Json>(methods).map(([name, one]) => [name, operation(path, one)]))
          : methods
      ])
    )
  }
}

const operation = (path: string, { requestBody, responses, ...others }: Json): Json => ({
  ...others,
  ...(requestBody && { requestBody: path.endsWith("/resend") ? { ...requestBody, required: false } : requestBody }),
  responses: Object.fromEntries(
    Object.entries<Json>(responses).map(([status, response]) => {
      const headers = headersOf[status]
      return [
        status,
        headers === undefined ? response : { ...response, headers: { ...response["headers"], ...headers } }
      ]
    })
  )
})

const retryAfter = {
  "retry-after": { schema: { type: "integer", minimum: 1 }, description: "Seconds after which to try again." }
}

const headersOf: Readonly<Record<string, Json>> = {
  401: { "www-authenticate": { schema: { type: "string", enum: ["Bearer"] } } },
  429: retryAfter,
  503: retryAfter
}

/** Protobuf's JSON mapping takes members that it does not know, and newer servers may answer more. */
const open = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(open)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, member]) => name !== "additionalProperties" || member !== false)
      .map(([name, member]) => [name, open(member)])
  )
}
