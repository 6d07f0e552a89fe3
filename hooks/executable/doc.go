// Package executable knows what execve(2) and execvp(3) do with a file: where a program is
// found in PATH, how a #! line is read, and why a file cannot be started. It starts
// nothing and imports no other package of podhook.
package executable
