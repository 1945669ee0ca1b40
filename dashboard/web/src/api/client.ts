// The one place that talks to the server. Its answers are EMQ X's: status 200,
// with code 0 and data, or with a message that says what is wrong.

export interface Meta {
  page: number
  limit: number
  /** All rows there are; -1: not counted, since a filter is set. */
  count: number
  hasnext?: boolean
}

export interface Answer<T> {
  data: T
  meta?: Meta
  /** Nodes of the cluster whose part is not in data, as they did not answer. */
  missing?: string[]
}

/** Why a call failed, in one sentence. */
export class CallError extends Error {
  override name = 'CallError'
  constructor(
    message: string,
    /** The HTTP status; 0: no answer came. */
    readonly status: number,
    /** EMQ X's code, where there is one. */
    readonly code?: number | string,
    /** Seconds to wait before asking again, with status 429. */
    readonly wait?: number,
  ) {
    super(message)
  }
}

export type Query = Record<string, string | number | boolean | null | undefined>

/** A path with its parts percent-encoded: path`/clients/${id}`. */
export function path(strings: TemplateStringsArray, ...parts: (string | number)[]): string {
  return strings.reduce((all, s, i) => all + encodeURIComponent(String(parts[i - 1])) + s)
}

/** The URL of a route, with those parameters that have a value. */
export function url(route: string, query: Query = {}): string {
  const given = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') given.set(name, String(value))
  }
  const text = given.toString()
  return `/api/v4${route}${text && `?${text}`}`
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** What is told when the server wants a login, or a new password, before anything else. */
type Gate = (error: CallError) => void
let gate: Gate = () => {}
export function onRefused(g: Gate): void {
  gate = g
}

export async function call<T>(method: Method, route: string, options: { query?: Query; body?: unknown; signal?: AbortSignal } = {}): Promise<Answer<T>> {
  const response = await send(method, url(route, options.query), options.body, options.signal)
  const error = await refused(response)
  if (error) {
    if (route !== '/auth') gate(error)
    throw error
  }
  return unwrap<T>(await response.text(), response.status)
}

async function send(method: Method, to: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const init: RequestInit = { method, credentials: 'same-origin', cache: 'no-store', headers: { Accept: 'application/json' } }
  if (signal) init.signal = signal
  if (body !== undefined) {
    init.body = body instanceof Blob ? body : JSON.stringify(body)
    init.headers = { ...init.headers, 'Content-Type': 'application/json' }
  }
  try {
    return await fetch(to, init)
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e
    throw new CallError('', 0)
  }
}

async function refused(response: Response): Promise<CallError | undefined> {
  if (response.ok) return undefined
  const wait = Number(response.headers.get('Retry-After') ?? Number.NaN)
  const text = await response.text().catch(() => '')
  return new CallError(sentence(text), response.status, undefined, Number.isFinite(wait) ? wait : undefined)
}

/** The message of an error: that of its JSON, or its text if that is a sentence and no page. */
export function sentence(text: string): string {
  try {
    const parsed = JSON.parse(text) as { message?: unknown; code?: unknown }
    if (typeof parsed.message === 'string') return parsed.message
    return typeof parsed.code === 'string' ? parsed.code : ''
  } catch {
    return text.length <= 300 && !text.trimStart().startsWith('<') ? text.trim() : ''
  }
}

/** The data of a body whose status was good. A few of EMQ X's routes answer with bare objects. */
export function unwrap<T>(text: string, status: number): Answer<T> {
  let body: unknown
  try {
    body = text === '' ? {} : JSON.parse(text)
  } catch {
    throw new CallError('', status)
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return { data: body as T }
  const { code, message, reason, data, meta, missing } = body as {
    code?: number | string
    message?: unknown
    reason?: unknown
    data?: T
    meta?: Meta
    missing?: string[]
  }
  // EMQ X's message is a word in some places; the reason beside it is Dunlin's sentence.
  if (typeof message === 'string' && typeof reason === 'string') throw new CallError(reason, status, code)
  if (code !== undefined && code !== 0) throw new CallError(typeof message === 'string' ? message : String(code), status, code)
  if (code === undefined && typeof message === 'string') throw new CallError(message, status)
  const answer: Answer<T> = { data: code === 0 ? (data as T) : (body as T) }
  if (meta) answer.meta = meta
  if (missing) answer.missing = missing
  return answer
}

export const get = <T>(route: string, query?: Query, signal?: AbortSignal): Promise<Answer<T>> =>
  call<T>('GET', route, { ...(query && { query }), ...(signal && { signal }) })
export const post = <T = unknown>(route: string, body?: unknown): Promise<Answer<T>> => call<T>('POST', route, { body: body ?? {} })
export const put = <T = unknown>(route: string, body?: unknown): Promise<Answer<T>> => call<T>('PUT', route, { body: body ?? {} })
export const del = <T = unknown>(route: string, query?: Query): Promise<Answer<T>> => call<T>('DELETE', route, query && { query })
