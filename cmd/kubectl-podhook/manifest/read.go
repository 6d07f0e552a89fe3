package manifest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// File is the text of one manifest.
type File struct {
	Name string // "-" for the standard input
	Text []byte
}

// Read reads files, directories and "-", the standard input. The error joins one *Error
// for each mistake.
func Read(paths []string, stdin io.Reader) ([]Document, error) {
	files, err := Files(paths, stdin)
	if err != nil {
		return nil, err
	}
	var all []Document
	var errs []error
	for _, file := range files {
		documents, err := Parse(file)
		all = append(all, documents...)
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}

// Files reads the texts. Of a directory it reads the files that kubectl reads: those that
// end in .yaml, .yml or .json, and none of directories below.
func Files(paths []string, stdin io.Reader) ([]File, error) {
	var files []File
	for _, path := range paths {
		names, err := expand(path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := readAll(name, stdin)
			if err != nil {
				return nil, err
			}
			files = append(files, File{Name: name, Text: text})
		}
	}
	return files, nil
}

func readAll(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(name)
}

func expand(path string) ([]string, error) {
	if path == "-" {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(entry.Name())) {
			names = append(names, filepath.Join(path, entry.Name()))
		}
	}
	if names == nil {
		return nil, &Error{File: path, Message: "the directory has no .yaml, .yml or .json file; those below it are not read"}
	}
	return names, nil
}
