import { useState, type FormEvent, type ReactNode } from 'react'
import { explain } from '../api/text'
import { Button } from '../components/Button'
import { Input, Password } from '../components/Field'
import { toast } from '../components/Toast'
import { useText } from '../i18n/i18n'
import { LanguageSwitch, ThemeSwitch } from './Switches'
import { Logo } from './Logo'
import { useLogin } from './session'
import { text } from './text'

/** A form by itself in the middle of the window. act sends it; what it throws is shown. */
function Gate({ title, lead, submit, act, check, children }: { title: string; lead: string; submit: string; act: () => Promise<void>; check?: () => string; children: ReactNode }) {
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const send = async (e: FormEvent) => {
    e.preventDefault()
    const wrong = check?.() ?? ''
    setError(wrong)
    if (wrong) return
    setBusy(true)
    try {
      await act()
    } catch (failed) {
      setError(explain(failed))
    } finally {
      setBusy(false)
    }
  }
  return (
    <main className="gate">
      <form className="gate-form" onSubmit={(e) => void send(e)}>
        <Logo />
        <h1>{title}</h1>
        <p className="lead">{lead}</p>
        {children}
        {error && (
          <p className="form-error" role="alert">
            {error}
          </p>
        )}
        <Button type="submit" look="primary" busy={busy}>
          {submit}
        </Button>
      </form>
      <div className="gate-foot">
        <LanguageSwitch />
        <ThemeSwitch />
      </div>
    </main>
  )
}

export function Login() {
  const t = useText(text)
  const { login } = useLogin()
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')
  return (
    <Gate title={t.login} lead={t.loginLead} submit={t.login} act={() => login(username, password)}>
      <Input label={t.username} value={username} onChange={setUsername} name="username" autoComplete="username" autoCapitalize="none" required autoFocus />
      <Password label={t.password} value={password} onChange={setPassword} name="password" autoComplete="current-password" required hint={t.firstLogin} />
    </Gate>
  )
}

/** What wrong there is with a new password that the server needn't be asked about. */
export function newPasswordProblem(old: string, fresh: string, again: string): 'different' | 'same' | undefined {
  if (fresh !== again) return 'different'
  return fresh === old ? 'same' : undefined
}

export function ChangePassword({ username }: { username: string }) {
  const t = useText(text)
  const { changePassword } = useLogin()
  const [old, setOld] = useState('')
  const [fresh, setFresh] = useState('')
  const [again, setAgain] = useState('')
  const check = () => {
    const problem = newPasswordProblem(old, fresh, again)
    return problem ? t[problem] : ''
  }
  const act = async () => {
    await changePassword(username, old, fresh)
    toast(t.changed)
  }
  return (
    <Gate title={t.change} lead={t.changeLead} submit={t.save} act={act} check={check}>
      <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
      <Password label={t.oldPassword} value={old} onChange={setOld} name="old" autoComplete="current-password" required autoFocus />
      <Password label={t.newPassword} value={fresh} onChange={setFresh} name="new" autoComplete="new-password" required />
      <Password label={t.repeat} value={again} onChange={setAgain} name="again" autoComplete="new-password" required />
    </Gate>
  )
}
