import type { ButtonHTMLAttributes } from 'react'
import { useMayWrite } from '../app/session'
import { useText } from '../i18n/i18n'
import { Icon, type IconName } from './Icon'
import { text } from './text'

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** primary: the one thing to do here; danger: something is lost; ghost: in rows and bars. */
  look?: 'primary' | 'danger' | 'ghost'
  icon?: IconName
  /** It changes something: viewers see it switched off, with the reason. */
  write?: boolean
  busy?: boolean
  small?: boolean
}

export function Button({ look, icon, write, busy, small, disabled, children, className = '', title, ...rest }: Props) {
  const mayWrite = useMayWrite()
  const t = useText(text)
  const forbidden = write && !mayWrite
  return (
    <button
      type="button"
      className={`button ${look ?? ''} ${small ? 'small' : ''} ${children ? '' : 'icon-only'} ${className}`}
      disabled={disabled || busy || forbidden}
      aria-busy={busy || undefined}
      title={forbidden ? t.viewer : title}
      {...rest}
    >
      {icon && <Icon name={icon} size={16} />}
      {children && <span>{children}</span>}
    </button>
  )
}
