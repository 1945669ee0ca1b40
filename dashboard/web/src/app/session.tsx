import { useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, useContext, useEffect, type ReactNode } from 'react'
import { CallError, del, get, onRefused, post, put, path } from '../api/client'

/** Who is logged in. */
export interface Session {
  username: string
  role: 'administrator' | 'viewer'
  /** The password is the first one, made up by the broker: nothing else works before it is changed. */
  change_password: boolean
}

const key = ['/auth']
const Current = createContext<Session | null>(null)

/** The login of the moment; pages are shown only with one. */
export function useSession(): Session {
  const session = useContext(Current)
  if (!session) throw new Error('useSession outside of a login')
  return session
}

/** Whether the user may change things. The server decides; this only keeps buttons away that would fail. */
export function useMayWrite(): boolean {
  return useContext(Current)?.role === 'administrator'
}

export function SessionProvider({ children }: { children: (state: { session: Session | null; error: CallError | null }) => ReactNode }) {
  const queries = useQueryClient()
  const who = useQuery<Session | null, CallError>({
    queryKey: key,
    queryFn: async () => {
      try {
        return (await get<Session>('/auth')).data
      } catch (e) {
        if (e instanceof CallError && e.status === 401) return null
        throw e
      }
    },
    staleTime: 60_000,
    refetchInterval: (q) => (q.state.error ? 3000 : false),
  })

  useEffect(() => {
    onRefused((e) => {
      if (e.status === 401) queries.setQueryData(key, null)
      if (e.status === 403) void queries.invalidateQueries({ queryKey: key })
    })
    return () => onRefused(() => {})
  }, [queries])

  if (who.data === undefined && !who.error) return null
  return <Current value={who.data ?? null}>{children({ session: who.data ?? null, error: who.data === undefined ? who.error : null })}</Current>
}

export function useLogin() {
  const queries = useQueryClient()
  // What one user was shown is not for the next.
  const become = (session: Session | null) => {
    queries.removeQueries({ predicate: (q) => q.queryKey[0] !== key[0] })
    queries.setQueryData(key, session)
  }
  return {
    login: async (username: string, password: string) => {
      const { data } = await post<Session>('/auth', { username, password })
      become(data)
    },
    logout: async () => {
      await del('/auth')
      become(null)
    },
    changePassword: async (username: string, old_pwd: string, new_pwd: string) => {
      await put(path`/change_pwd/${username}`, { old_pwd, new_pwd })
      // The server has begun a new session, and ended those that the old password began.
      queries.setQueryData(key, (await get<Session>('/auth')).data)
    },
  }
}
