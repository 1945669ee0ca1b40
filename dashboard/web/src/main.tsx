import { createRoot } from 'react-dom/client'
import { App } from './app/App'
import { restoreTheme } from './app/theme'
import { language, setLanguage } from './i18n/i18n'
import './app/base.css'
import './app/shell.css'
import './components/components.css'
import './components/table.css'

restoreTheme()
setLanguage(language())
const root = document.getElementById('app')
if (!root) throw new Error('index.html has no #app')
createRoot(root).render(<App />)
