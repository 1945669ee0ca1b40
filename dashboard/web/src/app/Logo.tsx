/** The bird and the name. */
export function Logo() {
  return (
    <span className="logo">
      <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
        <rect width="32" height="32" rx="8" className="logo-ground" />
        <path d="M4.5 18.2c3-.9 5.2-2.4 6.6-4.9.7-2.5 2.6-4 5-4 1.9 0 3.2.9 4.1 2.3 4 .9 6.5 3.6 7.3 8.2-2.6-.9-4.6-.8-6.4.2-2.6 1.5-6.6 1.3-8.8-1.3-.8-1-1.2-2.1-1.3-3.3-1.6 1.6-3.8 2.6-6.5 2.800z" className="logo-bird" />
        <path d="M17.2 20.800v5M20.4 20.600v5" className="logo-legs" />
        <circle cx="15.3" cy="12.3" r=".95" className="logo-ground" />
      </svg>
      <b>Dunlin</b>
    </span>
  )
}
