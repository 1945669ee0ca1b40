import { useId, useState, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react'
import { useText } from '../i18n/i18n'
import { Icon } from './Icon'
import { text } from './text'

interface Labelled {
  label: string
  hint?: ReactNode
  /** What is wrong with the value, in one sentence. */
  error?: string | undefined
}

function Frame({ id, label, hint, error, required, children }: Labelled & { id: string; required?: boolean | undefined; children: ReactNode }) {
  const t = useText(text)
  return (
    <div className={error ? 'field wrong' : 'field'}>
      <label htmlFor={id}>
        {label}
        {required && <span className="required" title={t.required} aria-hidden="true" />}
      </label>
      {children}
      {hint && !error && <small id={`${id}-hint`}>{hint}</small>}
      {error && (
        <small id={`${id}-hint`} className="wrong-text">
          {error}
        </small>
      )}
    </div>
  )
}

const describedBy = (id: string, l: Omit<Labelled, 'label'>) => (l.hint || l.error ? `${id}-hint` : undefined)

type InputProps = Labelled & Omit<InputHTMLAttributes<HTMLInputElement>, 'onChange'> & { onChange: (value: string) => void }

export function Input({ label, hint, error, onChange, ...rest }: InputProps) {
  const id = useId()
  return (
    <Frame {...{ id, label, hint, error }} required={rest.required}>
      <input id={id} autoComplete="off" spellCheck={false} aria-invalid={!!error} aria-describedby={describedBy(id, { hint, error })} onChange={(e) => onChange(e.target.value)} {...rest} />
    </Frame>
  )
}

export function Password({ label, hint, error, onChange, ...rest }: InputProps) {
  const id = useId()
  const t = useText(text)
  const [shown, show] = useState(false)
  return (
    <Frame {...{ id, label, hint, error }} required={rest.required}>
      <div className="with-button">
        <input id={id} {...rest} type={shown ? 'text' : 'password'} aria-invalid={!!error} aria-describedby={describedBy(id, { hint, error })} onChange={(e) => onChange(e.target.value)} />
        <button type="button" className="button ghost small" aria-pressed={shown} onClick={() => show(!shown)}>
          {shown ? t.hidePassword : t.showPassword}
        </button>
      </div>
    </Frame>
  )
}

type TextProps = Labelled & Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, 'onChange'> & { onChange: (value: string) => void }

export function Textarea({ label, hint, error, onChange, ...rest }: TextProps) {
  const id = useId()
  return (
    <Frame {...{ id, label, hint, error }} required={rest.required}>
      <textarea id={id} rows={4} spellCheck={false} aria-invalid={!!error} aria-describedby={describedBy(id, { hint, error })} onChange={(e) => onChange(e.target.value)} {...rest} />
    </Frame>
  )
}

type SelectProps<V extends string> = Labelled &
  Omit<SelectHTMLAttributes<HTMLSelectElement>, 'onChange' | 'value'> & {
    value: V
    onChange: (value: V) => void
    options: readonly (readonly [value: V, label: string])[]
  }

export function Select<V extends string>({ label, hint, error, onChange, options, value, ...rest }: SelectProps<V>) {
  const id = useId()
  return (
    <Frame {...{ id, label, hint, error }} required={rest.required}>
      <select id={id} value={value} aria-describedby={describedBy(id, { hint, error })} onChange={(e) => onChange(e.target.value as V)} {...rest}>
        {options.map(([v, name]) => (
          <option key={v} value={v}>
            {name}
          </option>
        ))}
      </select>
    </Frame>
  )
}

export function Checkbox({ label, hint, checked, onChange, disabled }: { label: string; hint?: ReactNode; checked: boolean; onChange: (on: boolean) => void; disabled?: boolean }) {
  const id = useId()
  return (
    <div className="field check">
      <input id={id} type="checkbox" checked={checked} disabled={disabled} aria-describedby={hint ? `${id}-hint` : undefined} onChange={(e) => onChange(e.target.checked)} />
      <label htmlFor={id}>{label}</label>
      {hint && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  )
}

/** A field to search with: "/" jumps into the first one of a page. It reports what was typed after a short pause. */
export function Search({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  const [typed, type] = useState(value)
  const [seen, see] = useState(value)
  const [timer, setTimer] = useState<ReturnType<typeof setTimeout>>()
  if (seen !== value) {
    see(value)
    type(value)
  }
  const change = (v: string, at: number) => {
    type(v)
    clearTimeout(timer)
    setTimer(
      setTimeout(() => {
        see(v)
        onChange(v)
      }, at),
    )
  }
  return (
    <label className="search">
      <Icon name="search" size={16} />
      <span className="sr-only">{label}</span>
      <input
        type="search"
        data-search
        placeholder={label}
        value={typed}
        autoComplete="off"
        spellCheck={false}
        onChange={(e) => change(e.target.value, 300)}
        onKeyDown={(e) => {
          if (e.key === 'Enter') change(typed, 0)
          if (e.key === 'Escape' && typed) {
            e.preventDefault()
            change('', 0)
          }
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </label>
  )
}
