module github.com/dunlin-mq/dunlin

go 1.26.0
