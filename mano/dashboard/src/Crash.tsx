import type { ReactNode } from "react";
import { Component } from "react";

/** What is shown when the page itself is at fault. */
export class Crash extends Component<{ readonly children: ReactNode }, { readonly error: Error | null }> {
  override state: { readonly error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error): { readonly error: Error } {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <main className="notice" role="alert" data-testid="crash">
        <h1>This page has a fault</h1>
        <p>{error.message}</p>
        <button type="button" onClick={() => location.reload()}>
          Load it again
        </button>
      </main>
    );
  }
}
