import { lazy, type ComponentType, type LazyExoticComponent } from 'react'
import type { IconName } from '../components/Icon'
import type { text } from './text'

export interface PageProps {
  /** The parts of the address that the pattern names, decoded. */
  params: Record<string, string>
}

type Group = 'groupMonitor' | 'groupMQTT' | 'groupAccess' | 'groupSystem'

export interface Route {
  pattern: string
  page: LazyExoticComponent<ComponentType<PageProps>>
  /** With it, the page is in the navigation, under this name of app/text.ts. */
  nav?: { group: Group; name: keyof typeof text & string; icon: IconName; phone?: boolean }
}

const load = (page: () => Promise<{ default: ComponentType<PageProps> }>) => lazy(page)

/** Every page of the app, one line each; the navigation shows them in this order. */
export const routes: readonly Route[] = [
  { pattern: '/', page: load(() => import('../pages/overview')), nav: { group: 'groupMonitor', name: 'overview', icon: 'overview', phone: true } },
  { pattern: '/accounting', page: load(() => import('../pages/accounting')), nav: { group: 'groupMonitor', name: 'accounting', icon: 'accounting' } },
]
