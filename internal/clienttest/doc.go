// Package clienttest holds tests of the whole broker from outside: clients that
// nobody here wrote (Mosquitto's, the two Paho clients for Go, MQTT.js) talk
// to the real `dunlin` process over every transport, and a crowd of bad
// neighbours tries to bring it down.
//
// It has no code but tests. Whether every packet is right byte for byte is
// internal/mqtttest's concern, how fast the broker is that of bench.
package clienttest
