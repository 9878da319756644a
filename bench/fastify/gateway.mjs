// A gateway as a Node user builds it of Fastify and its plug-ins, with the duties of ours on a forwarded request: the
// token's signature and claims (with fast-jwt's cache), who asks told to the service, a rate limit for each user, CORS,
// metrics, one log line. No tracing. Settings are those of our gateway's environment.

import cluster from 'node:cluster'
import { createPublicKey, randomUUID } from 'node:crypto'
import cors from '@fastify/cors'
import rateLimit from '@fastify/rate-limit'
import replyFrom from '@fastify/reply-from'
import { createVerifier } from 'fast-jwt'
import Fastify from 'fastify'
import pino from 'pino'
import { Counter, Histogram, register } from 'prom-client'

const env = process.env

if (cluster.isPrimary && Number(env.WEB_CONCURRENCY) > 1) {
  for (let worker = 0; worker < Number(env.WEB_CONCURRENCY); worker++) cluster.fork()
} else {
  await serve()
}

/** The issuer's public key as fast-jwt wants it. */
async function publicKey () {
  const discovery = await (await fetch(`${env.KEYCLOAK_ISSUER_URL}/.well-known/openid-configuration`)).json()
  const { keys } = await (await fetch(discovery.jwks_uri)).json()
  return createPublicKey({ key: keys[0], format: 'jwk' }).export({ type: 'spki', format: 'pem' })
}

async function serve () {
  const verify = createVerifier({
    key: await publicKey(),
    algorithms: ['RS256'],
    allowedIss: env.KEYCLOAK_ISSUER_URL,
    allowedAud: env.JWT_AUDIENCE,
    requiredClaims: ['exp', 'sub'],
    cache: 10_000
  })
  const labels = ['method', 'route', 'status']
  const total = new Counter({ name: 'http_requests_total', help: 'Requests that were answered.', labelNames: labels })
  const duration = new Histogram({ name: 'http_request_duration_seconds', help: 'Until answered.', labelNames: labels })

  const app = Fastify({
    loggerInstance: pino({ level: 'info', base: { service: 'api-gateway' }, timestamp: pino.stdTimeFunctions.isoTime }),
    disableRequestLogging: true,
    genReqId: () => randomUUID()
  })
  app.decorateRequest('user', null)
  app.addHook('onResponse', async (request, reply) => {
    const told = { method: request.method, route: request.routeOptions.url ?? 'other', status: reply.statusCode }
    total.inc(told)
    duration.observe(told, reply.elapsedTime / 1000)
    request.log.info({
      method: request.method,
      url: request.url,
      statusCode: reply.statusCode,
      duration: reply.elapsedTime,
      userId: request.user?.sub,
      requestId: request.id,
      ip: request.ip
    }, 'HTTP')
  })
  await app.register(cors, { origin: [env.FRONTEND_URL], credentials: true })
  app.addHook('onRequest', async (request, reply) => {
    reply.header('X-Request-Id', request.id)
    if (request.url === '/health/ready' || request.url === '/metrics') return
    try {
      request.user = verify(request.headers.authorization?.slice('Bearer '.length) ?? '')
    } catch {
      reply.code(401)
      throw new Error('Unauthorized')
    }
  })
  await app.register(rateLimit, {
    hook: 'preHandler',
    max: Number.parseInt(env.RATE_LIMIT_DEFAULT),
    timeWindow: '1 minute',
    keyGenerator: (request) => request.user.sub
  })
  await app.register(replyFrom, {
    base: env.USER_SERVICE_URL,
    disableRequestLogging: true, // one line a request, as ours
    undici: { connections: 1000, pipelining: 1 }
  })
  app.addContentTypeParser('*', (request, payload, done) => done(null, payload))

  const forward = (request, reply) => {
    const user = request.user
    return reply.from(request.url, {
      rewriteRequestHeaders: (_, headers) => ({
        ...headers,
        'x-user-id': user.sub,
        'x-user-email': user.email,
        'x-user-roles': user.realm_access.roles.join(','),
        'x-request-id': request.id,
        'x-forwarded-for': request.ip
      })
    })
  }
  app.route({ method: ['GET', 'PUT'], url: '/users/me', handler: forward })
  app.get('/health/ready', { config: { rateLimit: false } }, async () => ({ status: 'ok' }))
  app.get('/metrics', { config: { rateLimit: false } }, async (_, reply) => reply.type(register.contentType).send(await register.metrics()))
  await app.listen({ host: env.HOST, port: Number(env.PORT) })
}
