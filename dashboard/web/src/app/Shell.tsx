import { useEffect, useRef, useState, type ReactNode } from 'react'
import { useAct } from '../api/hooks'
import { Button } from '../components/Button'
import { ActDialog } from '../components/Dialog'
import { Password } from '../components/Field'
import { Icon } from '../components/Icon'
import { useText } from '../i18n/i18n'
import { newPasswordProblem } from './Login'
import { Logo } from './Logo'
import { Link, usePath } from './router'
import { routes, type Route } from './routes'
import { useLogin, useSession } from './session'
import { LanguageSwitch, ThemeSwitch } from './Switches'
import { text } from './text'

const groups = ['groupMonitor', 'groupMQTT', 'groupAccess', 'groupSystem'] as const
const listed = routes.filter((r): r is Route & { nav: NonNullable<Route['nav']> } => r.nav !== undefined)

export function Shell({ children }: { children: ReactNode }) {
  const t = useText(text)
  const path = usePath()
  const [drawerAt, setDrawerAt] = useState('') // the page it was opened on: another one closes it
  const drawer = drawerAt === path
  const main = useRef<HTMLElement>(null)
  useSearchKey()
  useFocusOnNewPage(path, main)
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus())}>
        {t.skip}
      </a>
      <aside className="sidebar">
        <Link to="/" className="home">
          <Logo />
        </Link>
        <Navigation path={path} />
        <Account />
      </aside>
      <main id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
      <nav className="bottom-bar" aria-label={t.navigation}>
        {listed
          .filter((r) => r.nav.phone)
          .map((r) => (
            <NavLink key={r.pattern} route={r} path={path} />
          ))}
        <button type="button" aria-expanded={drawer} onClick={() => setDrawerAt(path)}>
          <Icon name="more" />
          {t.more}
        </button>
      </nav>
      {drawer && <Drawer path={path} onClose={() => setDrawerAt('')} />}
    </div>
  )
}

function Navigation({ path }: { path: string }) {
  const t = useText(text)
  return (
    <nav className="navigation" aria-label={t.navigation}>
      {groups.map((g) => {
        const pages = listed.filter((r) => r.nav.group === g)
        if (pages.length === 0) return null
        return (
          <div key={g} role="group" aria-label={t[g]}>
            <span className="group-name" aria-hidden="true">
              {t[g]}
            </span>
            {pages.map((r) => (
              <NavLink key={r.pattern} route={r} path={path} />
            ))}
            {g === 'groupSystem' && (
              <a href="/api-docs" target="_blank" rel="noreferrer">
                <Icon name="api" />
                {t.api}
                <Icon name="external" size={13} />
              </a>
            )}
          </div>
        )
      })}
    </nav>
  )
}

/** Whether the page of a pattern, or one below it, is open. */
export function isOpen(pattern: string, path: string): boolean {
  return pattern === '/' ? path === '/' : path === pattern || path.startsWith(`${pattern}/`)
}

function NavLink({ route: { pattern, nav }, path }: { route: (typeof listed)[number]; path: string }) {
  const t = useText(text)
  return (
    <Link to={pattern} aria-current={isOpen(pattern, path) ? 'page' : undefined}>
      <Icon name={nav.icon} />
      {t[nav.name] as string}
    </Link>
  )
}

/** The whole navigation on a phone. */
function Drawer({ path, onClose }: { path: string; onClose: () => void }) {
  const t = useText(text)
  const ref = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (!ref.current?.open) ref.current?.showModal()
  }, [])
  return (
    <dialog ref={ref} className="drawer" aria-label={t.navigation} onClose={onClose} closedby="any">
      <div>
        <Navigation path={path} />
        <Account />
      </div>
    </dialog>
  )
}

function Account() {
  const t = useText(text)
  const session = useSession()
  const { logout } = useLogin()
  const [changing, setChanging] = useState(false)
  const leave = useAct(logout)
  return (
    <section className="account" aria-label={t.account}>
      <div className="who">
        <Icon name="person" />
        <span>
          <b>{session.username}</b>
          <small>{t[session.role]}</small>
        </span>
        <Button look="ghost" small icon="keys" title={t.changePassword} aria-label={t.changePassword} onClick={() => setChanging(true)} />
        <Button look="ghost" small icon="logout" title={t.logout} aria-label={t.logout} busy={leave.isPending} onClick={() => leave.mutate(undefined)} />
      </div>
      <div className="switches">
        <LanguageSwitch />
        <ThemeSwitch />
      </div>
      {changing && <OwnPassword onClose={() => setChanging(false)} />}
    </section>
  )
}

function OwnPassword({ onClose }: { onClose: () => void }) {
  const t = useText(text)
  const { username } = useSession()
  const { changePassword } = useLogin()
  const [old, setOld] = useState('')
  const [fresh, setFresh] = useState('')
  const [again, setAgain] = useState('')
  const check = () => {
    const problem = newPasswordProblem(old, fresh, again)
    return problem ? t[problem] : ''
  }
  return (
    <ActDialog title={t.changePassword} submit={t.save} own check={check} act={() => changePassword(username, old, fresh)} done={t.changed} onClose={onClose}>
      <Password label={t.oldPassword} value={old} onChange={setOld} autoComplete="current-password" required />
      <Password label={t.newPassword} value={fresh} onChange={setFresh} autoComplete="new-password" required />
      <Password label={t.repeat} value={again} onChange={setAgain} autoComplete="new-password" required />
    </ActDialog>
  )
}

/** "/" jumps into the page's search field, unless something is being typed. */
function useSearchKey() {
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey) return
      if (e.target instanceof HTMLElement && e.target.matches('input, textarea, select, [contenteditable]')) return
      if (document.querySelector('dialog[open]')) return
      const field = document.querySelector<HTMLInputElement>('main [data-search]')
      if (!field) return
      e.preventDefault()
      field.focus()
      field.select()
    }
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [])
}

/** After a page was changed, the keyboard and the screen reader go on at its beginning. */
function useFocusOnNewPage(path: string, main: { current: HTMLElement | null }) {
  const before = useRef(path)
  useEffect(() => {
    if (before.current === path) return
    before.current = path
    main.current?.focus({ preventScroll: true })
  }, [path, main])
}
