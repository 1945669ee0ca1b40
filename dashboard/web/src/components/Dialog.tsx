import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from 'react'
import { useAct, type ActOptions } from '../api/hooks'
import { explain } from '../api/text'
import { useText } from '../i18n/i18n'
import { Button } from './Button'
import { text } from './text'

interface Props {
  title: string
  onClose: () => void
  children: ReactNode
  /** With it, the dialog is a form whose button has this text. */
  submit?: string
  onSubmit?: () => void
  busy?: boolean
  danger?: boolean
  /** It changes only what is the user's own: viewers may, too. */
  own?: boolean
  /** What went wrong with the last try, in one sentence. */
  error?: string | undefined
  wide?: boolean
}

/** A modal dialog: the browser's own, so Esc, focus and the rest of the page are its business. Render it to open it. */
export function Dialog({ title, onClose, children, submit, onSubmit, busy, danger, own, error, wide }: Props) {
  const t = useText(text)
  const id = useId()
  const ref = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const dialog = ref.current
    if (!dialog || dialog.open) return
    dialog.showModal()
    // Where one begins: the first field, or the button that does nothing.
    const first = dialog.querySelector<HTMLElement>('.dialog-body :is(input, select, textarea):enabled') ?? dialog.querySelector<HTMLElement>('footer button')
    first?.focus()
  }, [])
  const send = (e: FormEvent) => {
    e.preventDefault()
    if (!busy) onSubmit?.()
  }
  return (
    <dialog ref={ref} className={wide ? 'dialog wide' : 'dialog'} aria-labelledby={id} onClose={onClose}>
      <form onSubmit={send}>
        <header>
          <h2 id={id}>{title}</h2>
          <Button look="ghost" icon="close" aria-label={t.close} onClick={onClose} />
        </header>
        <div className="dialog-body">{children}</div>
        {error && (
          <p className="form-error" role="alert">
            {error}
          </p>
        )}
        <footer>
          <Button onClick={onClose}>{submit ? t.cancel : t.close}</Button>
          {submit && (
            <Button type="submit" look={danger ? 'danger' : 'primary'} busy={busy ?? false} write={!own}>
              {submit}
            </Button>
          )}
        </footer>
      </form>
    </dialog>
  )
}

interface ActProps<R> extends Pick<ActOptions<R>, 'done' | 'stale' | 'onDone'> {
  title: string
  /** Names what the button does: "Disconnect", not "OK". */
  submit: string
  act: () => Promise<R>
  /** What is wrong with the fields that the server needn't be asked about; '' is nothing. */
  check?: () => string
  onClose: () => void
  children: ReactNode
  danger?: boolean
  own?: boolean
  wide?: boolean
}

/** A dialog whose button makes a call: it closes when that has succeeded, and shows why not. */
export function ActDialog<R>({ act, check, done, stale, onDone, onClose, ...rest }: ActProps<R>) {
  const [problem, setProblem] = useState('')
  const call = useAct<undefined, R>(act, {
    ...(done !== undefined && { done }),
    ...(stale && { stale }),
    onDone: (answer) => {
      onClose()
      onDone?.(answer)
    },
    quiet: true,
  })
  const submit = () => {
    const wrong = check?.() ?? ''
    setProblem(wrong)
    if (!wrong) call.mutate(undefined)
  }
  return <Dialog {...rest} onSubmit={submit} onClose={onClose} busy={call.isPending} error={problem || (call.error ? explain(call.error) : undefined)} />
}

/** Asks before something is lost. */
export function Confirm<R>({ children, ...rest }: Omit<ActProps<R>, 'danger' | 'wide'>) {
  return (
    <ActDialog danger {...rest}>
      <p>{children}</p>
    </ActDialog>
  )
}
