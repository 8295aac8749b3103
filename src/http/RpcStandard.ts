/**
 * gRPC's standard services: health, which says what `/readyz` says, and reflection, which tells tools what can be
 * called. Neither needs a token. Health can be asked for, but not watched.
 */
import { type DescFile, type MessageInitShape, toBinary } from "@bufbuild/protobuf"
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt"
import { createConnectRouter } from "@connectrpc/connect"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Stream from "effect/Stream"
import type { Unavailable } from "../core/Errors.ts"
import { Refused } from "./ErrorResponse.ts"
import { onExactPath } from "./Fallback.ts"
import { PhoneService } from "./gen/effectuserphone/v1/phone_service_pb.ts"
import { file_google_rpc_error_details } from "./gen/google/rpc/error_details_pb.ts"
import { Health as HealthService, HealthCheckResponse_ServingStatus } from "./gen/grpc/health/v1/health_pb.ts"
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema
} from "./gen/grpc/reflection/v1/reflection_pb.ts"
import { file_zitadel_message } from "./gen/zitadel/message_pb.ts"
import { UserService } from "./gen/zitadel/user/v2/user_service_pb.ts"
import { UserService as UserServiceV2beta } from "./gen/zitadel/user/v2beta/user_service_pb.ts"
import * as Health from "./Health.ts"
import * as RequestBody from "./internal/RequestBody.ts"
import * as RpcStream from "./internal/RpcStream.ts"
import * as RpcUnary from "./internal/RpcUnary.ts"
import * as Status from "./Status.ts"

const services = [UserService, UserServiceV2beta, PhoneService, HealthService, ServerReflection]

/**
 * The routes of both, to be served beside `RpcRoutes.layer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const ready = yield* Health.makeReady
  const { check } = HealthService.method
  yield* router.add(
    "*",
    RpcUnary.pathOf(check),
    onExactPath(RpcUnary.serve(
      check,
      RpcUnary.open,
      ({ service }) => Effect.map(servingStatus(ready, service), (status) => ({ message: { status } }))
    ))
  )
  const streams = createConnectRouter({ readMaxBytes: Number(yield* RequestBody.longest) })
  streams.rpc(
    ServerReflection.method.serverReflectionInfo,
    (questions) => Stream.toAsyncIterable(Stream.map(RpcStream.messagesOf(questions), reflect))
  )
  // Older tools know reflection under its former name, with the same messages.
  yield* RpcStream.mount(router, streams, (path) => [path, path.replace("reflection.v1.", "reflection.v1alpha.")])
}))

const servingStatus = Effect.fnUntraced(function*(ready: Effect.Effect<void, Unavailable>, service: string) {
  if (service !== "" && !services.some(({ typeName }) => typeName === service)) {
    return yield* new Refused({ status: Status.unknownService })
  }
  return yield* Effect.match(ready, {
    onFailure: () => HealthCheckResponse_ServingStatus.NOT_SERVING,
    onSuccess: () => HealthCheckResponse_ServingStatus.SERVING
  })
})

/** The files by their names, each after those that it imports. */
const files = new Map<string, DescFile>()

/** The files by the full names of what they declare. */
const filesBySymbol = new Map<string, DescFile>()

const add = (file: DescFile): void => {
  file.dependencies.forEach(add)
  files.set(`${file.name}.proto`, file)
  const declare = ({ typeName }: { readonly typeName: string }) => void filesBySymbol.set(typeName, file)
  for (const service of file.services) {
    declare(service)
    for (const { name } of service.methods) declare({ typeName: `${service.typeName}.${name}` })
  }
  file.enums.forEach(declare)
  for (const message of file.messages) {
    declare(message)
    message.nestedMessages.forEach(declare)
    message.nestedEnums.forEach(declare)
  }
}

for (const { file } of services) add(file)
for (const file of [file_zitadel_message, file_google_rpc_error_details]) add(file)

const reflect = (request: ServerReflectionRequest): MessageInitShape<typeof ServerReflectionResponseSchema> => ({
  validHost: request.host,
  originalRequest: request,
  messageResponse: answerOf(request.messageRequest)
})

const answerOf = (asked: ServerReflectionRequest["messageRequest"]) => {
  switch (asked.case) {
    case "listServices": {
      const service = services.map(({ typeName }) => ({ name: typeName }))
      return { case: "listServicesResponse", value: { service } } as const
    }
    case "fileByFilename":
      return fileAnswer(files.get(asked.value))
    case "fileContainingSymbol":
      return fileAnswer(filesBySymbol.get(asked.value))
    case "fileContainingExtension":
      return fileAnswer(undefined)
    case "allExtensionNumbersOfType":
      return { case: "allExtensionNumbersResponse", value: { baseTypeName: asked.value } } as const
    default:
      return { case: "errorResponse", value: { errorCode: 3, errorMessage: "nothing was asked" } } as const
  }
}

const fileAnswer = (file: DescFile | undefined) =>
  file === undefined
    ? { case: "errorResponse", value: { errorCode: 5, errorMessage: "there is none" } } as const
    : {
      case: "fileDescriptorResponse",
      value: { fileDescriptorProto: withImports(file).map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)) }
    } as const

const withImports = (file: DescFile): ReadonlyArray<DescFile> => [
  ...new Set([file, ...file.dependencies.flatMap(withImports)])
]
