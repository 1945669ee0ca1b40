import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { Component, Suspense, useEffect, type ErrorInfo, type ReactNode } from 'react'
import { CallError } from '../api/client'
import { Button } from '../components/Button'
import { Empty, ErrorBox, Loading } from '../components/States'
import { Toasts } from '../components/Toast'
import { texts, useLanguage, useText } from '../i18n/i18n'
import { ChangePassword, Login } from './Login'
import { match } from './match'
import { Link, usePath } from './router'
import { routes } from './routes'
import { SessionProvider } from './session'
import { Shell } from './Shell'
import { text } from './text'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // What the server has decided is not asked again; a broker that restarts is.
      retry: (failures, e) => failures < 2 && e instanceof CallError && e.status === 0,
      staleTime: 1000,
    },
  },
})

export function App() {
  useLanguage()
  return (
    <QueryClientProvider client={queries}>
      <SessionProvider>
        {({ session, error }) => {
          if (error) return <ErrorBox error={error} />
          if (!session) return <Login />
          if (session.change_password) return <ChangePassword username={session.username} />
          return (
            <Shell>
              <CurrentPage />
            </Shell>
          )
        }}
      </SessionProvider>
      <Toasts />
    </QueryClientProvider>
  )
}

function CurrentPage() {
  const path = usePath()
  return (
    <Guard key={path}>
      <Suspense fallback={<Loading />}>
        <Routed path={path} />
      </Suspense>
    </Guard>
  )
}

function Routed({ path }: { path: string }) {
  for (const r of routes) {
    const params = match(r.pattern, path)
    if (params) return <r.page params={params} />
  }
  return <NotFound />
}

function NotFound() {
  const t = useText(text)
  useEffect(() => {
    document.title = 'Dunlin'
  }, [])
  return (
    <Empty icon="search" action={<Link to="/">{t.toOverview}</Link>}>
      {t.notFound}
    </Empty>
  )
}

/** Keeps the rest of the app going when a page fails, or its code is gone since the broker was updated. */
class Guard extends Component<{ children: ReactNode }, { error: Error | undefined }> {
  override state: { error: Error | undefined } = { error: undefined }
  static getDerivedStateFromError(error: Error) {
    return { error }
  }
  override componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(error, info.componentStack)
  }
  override render() {
    if (!this.state.error) return this.props.children
    const t = texts(text)
    const gone = /dynamically imported module|Importing a module/.test(this.state.error.message)
    return (
      <Empty icon="warn" action={<Button onClick={() => location.reload()}>{t.reload}</Button>}>
        {gone ? t.outdated : t.crashed}
      </Empty>
    )
  }
}
