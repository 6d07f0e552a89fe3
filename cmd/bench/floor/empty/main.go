// Command empty does nothing: the floor of a start.
package main

func main() {}
