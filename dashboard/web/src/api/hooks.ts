import { keepPreviousData, useMutation, useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query'
import { toast } from '../components/Toast'
import { get, type Answer, type CallError, type Query } from './client'
import { explain } from './text'

/** How often things are asked for again, in milliseconds. Nothing is asked for while the tab is hidden. */
export const every = { live: 3000, list: 5000, slow: 15_000 } as const

export interface GetOptions {
  query?: Query
  /** Milliseconds between two calls; without it, the call is made once. */
  refresh?: number | false
  /** false: not yet. */
  enabled?: boolean
}

/** Asks for a route and keeps the answer fresh. While the next page of a list is on its way, the last one stays. */
export function useGet<T>(route: string, options: GetOptions = {}): UseQueryResult<Answer<T>, CallError> {
  return useQuery<Answer<T>, CallError>({
    queryKey: [route, options.query ?? {}],
    queryFn: ({ signal }) => get<T>(route, options.query, signal),
    refetchInterval: options.refresh ?? false,
    enabled: options.enabled ?? true,
    placeholderData: keepPreviousData,
  })
}

export interface ActOptions<R> {
  /** What is said when it is done. */
  done?: string | ((answer: R) => string)
  /** Lists to ask for again: every query whose route begins so. */
  stale?: string[]
  onDone?: (answer: R) => void
  /** true: the caller shows the error itself, as forms do. */
  quiet?: boolean
}

/** Changes something by a call: says that it is done, or in one sentence why not. */
export function useAct<A, R = unknown>(act: (args: A) => Promise<R>, options: ActOptions<R> = {}) {
  const queries = useQueryClient()
  return useMutation<R, CallError, A>({
    mutationFn: act,
    onSuccess: async (answer) => {
      const { done, stale = [] } = options
      if (done) toast(typeof done === 'string' ? done : done(answer), 'good')
      options.onDone?.(answer)
      await queries.invalidateQueries({ predicate: (q) => stale.some((s) => String(q.queryKey[0]).startsWith(s)) })
    },
    onError: (e) => {
      if (!options.quiet) toast(explain(e), 'bad')
    },
  })
}
