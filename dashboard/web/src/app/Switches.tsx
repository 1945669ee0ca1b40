import { Icon, type IconName } from '../components/Icon'
import { languages, setLanguage, useLanguage, useText, type Language } from '../i18n/i18n'
import { text } from './text'
import { setTheme, themes, useTheme, type Theme } from './theme'

const names: Record<Language, string> = { en: 'English', zh: '中文' } // each in itself: its reader may know no other

/** One of a few values, each a small button. */
function Switch<V extends string>({ label, value, options, onChange }: { label: string; value: V; options: readonly (readonly [value: V, name: string, icon?: IconName])[]; onChange: (v: V) => void }) {
  return (
    <div className="switch" role="group" aria-label={label}>
      {options.map(([v, name, icon]) => (
        <button key={v} type="button" aria-pressed={v === value} title={name} aria-label={icon ? name : undefined} onClick={() => onChange(v)}>
          {icon ? <Icon name={icon} size={15} /> : name}
        </button>
      ))}
    </div>
  )
}

export function LanguageSwitch() {
  const t = useText(text)
  return <Switch label={t.language} value={useLanguage()} options={languages.map((l) => [l, names[l]] as const)} onChange={setLanguage} />
}

export function ThemeSwitch() {
  const t = useText(text)
  const options: Record<Theme, readonly [string, IconName]> = {
    system: [t.themeSystem, 'system'],
    light: [t.themeLight, 'sun'],
    dark: [t.themeDark, 'moon'],
  }
  return <Switch label={t.theme} value={useTheme()} options={themes.map((v) => [v, ...options[v]] as const)} onChange={setTheme} />
}
